import { createHash } from 'node:crypto'
import {
  closeSync,
  fstatSync,
  openSync,
  read,
  readdirSync,
  readSync,
  realpathSync,
  type Stats,
  statSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { StartFailure } from '../../../shared/start-failure.ts'
import { auditRowOfLine } from './decision.ts'
import type { AuditRow } from './rows.ts'

/** A place in a decision log. `head` tells which file it is in: that is renamed, and another one has its name then. */
export interface LogPosition {
  readonly head: string
  readonly offset: number
}

/** A file of a log. It is kept open: what is in it can be read, whatever becomes of its name. */
interface Part {
  readonly handle: number
  readonly dev: number
  readonly ino: number
  /** Where it begins: so many bytes are in the parts before it. */
  readonly base: number
}

const NEWLINE = 10
/** Longer than any record. */
const LONGEST_RECORD = 65_536

/**
 * A decision log as one run of bytes, in which places are told by how many bytes are before them. It may lie in several files: whoever
 * rotates it renames the one that there is, and the next record begins another.
 */
export class LogFiles implements Disposable {
  readonly #path: string
  /** The same, where that is a link. */
  readonly #real: string
  readonly #parts: Part[] = []
  /** The place that it was opened at; the beginning where there is none, or where it is in a file that is not there any more. */
  readonly from: number

  /** Throws where there is no such file. */
  constructor(path: string, noted?: LogPosition) {
    this.#path = path
    const current = openSync(path, 'r')
    this.#real = realpathSync(path)
    const isCurrent = noted === undefined || noted.head === headOf(current)
    const [first = current, ...later] = isCurrent ? [] : renamedSince(this.#real, noted.head)
    for (const handle of first === current ? [current] : [first, ...later, current]) this.#add(handle)
    const isThere = noted?.head === headOf(first) && noted.offset <= fstatSync(first).size
    this.from = isThere ? noted.offset : 0
  }

  /** Where the next record will be, or before it. */
  get end(): number {
    const here = this.#here()
    if (here !== undefined && this.#isOf(this.#parts.at(-1)!, here)) return this.#parts.at(-1)!.base + here.size
    this.#follow()
    const { handle, base } = this.#parts.at(-1)!
    return base + fstatSync(handle).size
  }

  /** Rows of the records between two places, some at a time. A line that is torn is none: nobody got an answer for it. */
  async *rows({ from, to, atOnce }: { from: number; to: number; atOnce: number }): AsyncGenerator<AuditRow[]> {
    let rows: AuditRow[] = []
    for (const { handle, base } of [...this.#parts]) {
      for await (const lines of linesIn(handle, Math.max(from - base, 0), to - base)) {
        for (const line of lines) {
          const row = rowOf(line)
          if (row !== undefined) rows.push(row)
          if (rows.length < atOnce) continue
          yield rows
          rows = []
        }
      }
    }
    if (rows.length > 0) yield rows
  }

  /** A place as the next process will find it. What lies in files before it is not asked for any more. */
  position(place: number): LogPosition {
    while (this.#parts.length > 1 && place > this.#parts[1]!.base) closeSync(this.#parts.shift()!.handle)
    const { handle, base } = this.#parts[0]!
    return { head: headOf(handle), offset: place - base }
  }

  [Symbol.dispose](): void {
    for (const { handle } of this.#parts.splice(0)) closeSync(handle)
  }

  /** What has the name now; nothing where it was renamed, and there is no other one yet. */
  #here(): Stats | undefined {
    try {
      return statSync(this.#path)
    } catch {
      // The next record begins it, or fails as this did, and is nowhere.
      return undefined
    }
  }

  #isOf(part: Part, { dev, ino }: Stats): boolean {
    return part.ino === ino && part.dev === dev
  }

  /** Goes on with the file that has the name now. It may have been renamed more than once since anybody looked: those between come first. */
  #follow(): void {
    const last = this.#parts.at(-1)!.handle
    // First of all: one that is renamed meanwhile is found twice, and not missed.
    const current = openedNow([this.#path])
    const beside = openedNow(filesNow(this.#real))
    for (const handle of [...writtenSince(last, beside), ...current]) {
      const file = fstatSync(handle)
      const isKnown = this.#parts.some((part) => this.#isOf(part, file))
      if (!isKnown) this.#add(handle)
    }
    for (const handle of [...beside, ...current])
      if (!this.#parts.some((part) => part.handle === handle)) closeSync(handle)
  }

  #add(handle: number): void {
    const last = this.#parts.at(-1)
    const base = last === undefined ? 0 : last.base + fstatSync(last.handle).size
    const { dev, ino } = fstatSync(handle)
    this.#parts.push({ handle, dev, ino, base })
  }
}

/** A hash of the first record, whose time and request nobody else's has. Empty as long as there is none. */
function headOf(handle: number): string {
  const buffer = Buffer.alloc(LONGEST_RECORD)
  const end = buffer.subarray(0, readSync(handle, buffer, 0, LONGEST_RECORD, 0)).indexOf(NEWLINE)
  return end < 0 ? '' : createHash('sha256').update(buffer.subarray(0, end)).digest('hex')
}

/** Of the files beside a log whose names begin with its own: the one with this first record, and those that were written to after it. */
function renamedSince(log: string, head: string): number[] {
  const others = filesBeside(log).flatMap((file) => openBeside(log, file))
  const first = head === '' ? undefined : others.find((handle) => headOf(handle) === head)
  const later = first === undefined ? [] : writtenSince(first, others)
  for (const handle of others) if (handle !== first && !later.includes(handle)) closeSync(handle)
  return first === undefined ? [] : [first, ...later]
}

/** Files beside a log whose names begin with its own, as those do under which it was renamed. */
function filesBeside(log: string): string[] {
  const [folder, own] = [dirname(log), basename(log)]
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.startsWith(own) && entry.name !== own)
    .map(({ name }) => join(folder, name))
}

function filesNow(log: string): string[] {
  try {
    return filesBeside(log)
  } catch {
    return []
  }
}

/** Those that are there, and can be read: whoever renames the log of a gateway that runs takes it away from nobody. */
function openedNow(files: readonly string[]): number[] {
  return files.flatMap((file) => {
    try {
      return [openSync(file, 'r')]
    } catch {
      return []
    }
  })
}

/** None where it has another name by now, or is gone. @throws StartFailure: what it says of requests would be missed without a word */
function openBeside(log: string, file: string): number[] {
  try {
    return [openSync(file, 'r')]
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'ENOENT') return []
    throw new StartFailure(
      'config_invalid',
      `${file}, beside decisionLog ${log}, cannot be read (${code}), and the audit may miss what it says; let this user read it, or move it elsewhere`,
      { cause },
    )
  }
}

/** The others that were written to later than one, or at the same moment as the clock of files has it; the oldest first. */
function writtenSince(one: number, others: readonly number[]): number[] {
  const since = writtenAt(one)
  return others
    .filter((handle) => handle !== one && writtenAt(handle) >= since)
    .sort((first, second) => Number(writtenAt(first) - writtenAt(second)))
}

function writtenAt(handle: number): bigint {
  return fstatSync(handle, { bigint: true }).mtimeNs
}

const readAt = promisify(read)

async function* linesIn(handle: number, from: number, to: number): AsyncGenerator<string[]> {
  let rest = Buffer.alloc(0)
  for (let at = from; at < to; ) {
    const buffer = Buffer.alloc(Math.min(LONGEST_RECORD, to - at))
    const { bytesRead } = await readAt(handle, buffer, 0, buffer.length, at)
    if (bytesRead === 0) return
    at += bytesRead
    const bytes = Buffer.concat([rest, buffer.subarray(0, bytesRead)])
    const end = bytes.lastIndexOf(NEWLINE) + 1
    rest = bytes.subarray(end)
    if (end > 0) yield bytes.toString('utf8', 0, end - 1).split('\n')
  }
}

function rowOf(line: string): AuditRow | undefined {
  try {
    return auditRowOfLine(line)
  } catch (failure) {
    if (failure instanceof SyntaxError) return undefined
    throw failure
  }
}
