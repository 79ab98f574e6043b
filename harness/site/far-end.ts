import type { Site } from '../backends/backend.ts'
import { leaksIn, redact } from '../credentials/secrets.ts'
import { DecisionMalformed, type DecisionRecord } from '../evidence/decision.ts'
import { boundOn } from './bound.ts'
import { until } from './until.ts'

/** How long a record is waited for by default: a service writes it before it answers, so what is left is reading it. */
const recordWithinMs = 6_000

export type Mark = Awaited<ReturnType<typeof markOf>>

/** What a node had written when a call began: what is older cannot be about that call, even where a port was used before. */
export async function markOf(site: Site, node: string) {
  const at = site.node(node)
  return { logged: at.logs().length, decided: (await at.decisions()).length }
}

/** The far end's records of one connection since a mark, or of the one that came `through` a proxy: as many as are awaited, or what there is when the wait is over. */
export async function decisionsOf(
  site: Site,
  node: string,
  conn: string,
  { decided }: Mark,
  { withinMs = recordWithinMs, atLeast = 1, through }: { withinMs?: number; atLeast?: number; through?: string } = {},
) {
  const began = performance.now()
  let decisions: DecisionRecord[] = []
  const probe = async () => {
    decisions = (await site.node(node).decisions()).slice(decided).filter((record) => isOf(record, conn, through))
    return decisions.length >= atLeast
  }
  await until(`a record of ${conn}`, probe, { withinMs: boundOn(site, withinMs), everyMs: 10 }).catch(
    ({ cause }: Error) => {
      if (cause instanceof DecisionMalformed) throw cause
    },
  )
  return { decisions, waitedMs: performance.now() - began }
}

/** Whose call it was: of one that came through a proxy, what that tells of its caller, where it is known there by its certificate. */
function isOf({ conn: own, remote, via }: DecisionRecord, conn: string, through: string | undefined): boolean {
  if (through === undefined) return own === conn
  return via === through && (remote === conn || remote === conn.slice(0, conn.lastIndexOf(':')))
}

/** What of a presented token came back in the text of an answer; named, never shown. */
export function leaksInAnswer(text: string, token: string): string[] {
  // Of what is no JWT and has no parts; a short one may be a word of the answer.
  const isWhole = token.length >= 24 && !token.includes('.') && text.includes(token)
  return [...leaksIn(text, [token]), ...(isWhole ? ['all of the presented token'] : [])]
}

/** The secrets in what a node wrote since a mark, and in further lines of a log that it keeps elsewhere. */
export async function leaksSince(
  site: Site,
  node: string,
  mark: Mark,
  { tokens, lines }: { tokens: readonly string[]; lines: readonly string[] },
): Promise<string[]> {
  const at = site.node(node)
  const records = (await at.decisions()).slice(mark.decided).map((record) => JSON.stringify(record))
  const printed = [...at.logs().slice(mark.logged), ...lines]
  const found = leaksIn([...printed, ...records].join('\n'), tokens)
  // What a program prints came here without its secrets: each leaves the mark of having been there.
  const cut = tokens.some((token) => printed.some((line) => line.includes(redact(token))))
  return cut && found.length === 0 ? [`token ${redact(tokens[0]!)}`] : found
}
