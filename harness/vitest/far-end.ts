import type { Site } from '../backends/backend.ts'
import type { DecisionRecord } from '../evidence/decision.ts'
import { secretsIn } from '../evidence/redact.ts'
import { until } from './until.ts'

/** How long a record is waited for by default: a service writes it before it answers, so what is left is reading it. */
const recordWithinMs = 2_000

export interface FarEnd {
  readonly decisions: readonly DecisionRecord[]
  readonly waitedMs: number
}

/** The far end's records of one connection. Without any after the wait: an empty list. */
export async function decisionsOf(site: Site, node: string, conn: string, withinMs = recordWithinMs): Promise<FarEnd> {
  const began = performance.now()
  const probe = async () => {
    const records = (await site.node(node).decisions()).filter((record) => record.conn === conn)
    return records.length > 0 && records
  }
  const decisions = await until(`a record of ${conn}`, probe, { withinMs, everyMs: 10 }).catch(() => [])
  return { decisions, waitedMs: performance.now() - began }
}

/** Marks what a node has written so far; the function answers the secrets in what it wrote since. */
export async function leaksSince(site: Site, node: string): Promise<(tokens: readonly string[]) => Promise<string[]>> {
  const at = site.node(node)
  const logged = at.logs().length
  const decided = (await at.decisions()).length
  return async (tokens) => {
    const records = (await at.decisions()).slice(decided).map((record) => JSON.stringify(record))
    return secretsIn([...at.logs().slice(logged), ...records].join('\n'), tokens)
  }
}
