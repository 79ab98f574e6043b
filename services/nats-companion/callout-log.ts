import { open } from 'node:fs/promises'
import type { Configuration } from './config.ts'
import type { Callout } from './judge.ts'

const CHUNK_BYTES = 65_536

/** What can be read of a decision log: its last line may be written just now. */
export function recordsIn(text: string): Record<string, unknown>[] {
  return text.split('\n').flatMap((line) => {
    try {
      return [JSON.parse(line) as Record<string, unknown>]
    } catch {
      return []
    }
  })
}

/** A callout whose decisions stand in a log of its own. A broker that was started anew gives numbers again: it is the time that tells. */
export function calloutOf({ account, users, decisionLog }: NonNullable<Configuration['callout']>): Callout {
  return {
    account,
    users,
    async decided({ cid, began, until = Number.POSITIVE_INFINITY }) {
      const found = (await recordsSince(decisionLog, began)).find((record) => {
        const at = timeOf(record)
        return record.cid === cid && record.action === 'nats:login' && at >= began && at <= until
      })
      return found as Awaited<ReturnType<Callout['decided']>>
    },
  }
}

/** Read from the end, and no further back than needed: a login is asked about while others wait. */
async function recordsSince(file: string, since: number): Promise<Record<string, unknown>[]> {
  const handle = await open(file).catch(() => undefined)
  if (handle === undefined) return []
  try {
    let { size: from } = await handle.stat()
    const chunks: Buffer[] = []
    let records: Record<string, unknown>[] = []
    while (from > 0) {
      const length = Math.min(CHUNK_BYTES, from)
      from -= length
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, from)
      chunks.unshift(buffer.subarray(0, bytesRead))
      records = recordsIn(Buffer.concat(chunks).toString())
      if (records[0] !== undefined && timeOf(records[0]) < since) break
    }
    return records
  } finally {
    await handle.close()
  }
}

function timeOf({ ts }: Record<string, unknown>): number {
  return Date.parse(String(ts))
}
