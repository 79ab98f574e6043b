import { createHash } from 'node:crypto'
import { createReadStream, statSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { auditRowOfLine } from './decision.ts'
import type { AuditRow } from './rows.ts'

/** A place in a decision log. `head` tells which log it is: under the same path there may be another one after a restore. */
export interface LogPosition {
  readonly head: string
  readonly offset: number
}

const NEWLINE = 10
/** Longer than any record. */
const LONGEST_RECORD = 65_536

export function sizeOfLog(path: string): number {
  return statSync(path).size
}

/** A hash of the first record, whose time and request nobody else's has. Empty as long as there is none. */
export async function headOfLog(path: string): Promise<string> {
  const file = await open(path)
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(LONGEST_RECORD), 0, LONGEST_RECORD, 0)
    const end = buffer.subarray(0, bytesRead).indexOf(NEWLINE)
    return end < 0 ? '' : createHash('sha256').update(buffer.subarray(0, end)).digest('hex')
  } finally {
    await file.close()
  }
}

/** Rows of the records between two places, some at a time. A line that is torn is none: nobody got an answer for it. */
export async function* rowsInLog(
  path: string,
  { from, to, atOnce }: { from: number; to: number; atOnce: number },
): AsyncGenerator<AuditRow[]> {
  if (from >= to) return
  let [rows, rest]: [AuditRow[], Buffer] = [[], Buffer.alloc(0)]
  for await (const chunk of createReadStream(path, { start: from, end: to - 1 })) {
    const bytes: Buffer = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    let begin = 0
    for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, begin)) {
      const row = rowOf(bytes.subarray(begin, end).toString())
      if (row !== undefined) rows.push(row)
      begin = end + 1
      if (rows.length < atOnce) continue
      yield rows
      rows = []
    }
    rest = bytes.subarray(begin)
  }
  if (rows.length > 0) yield rows
}

function rowOf(line: string): AuditRow | undefined {
  try {
    return auditRowOfLine(line)
  } catch (failure) {
    if (failure instanceof SyntaxError) return undefined
    throw failure
  }
}
