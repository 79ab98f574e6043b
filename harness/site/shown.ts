import type { Site } from '../backends/backend.ts'
import type { AnyCalled } from '../protocols/spoken.ts'
import type { WeakerProof } from '../topology/proof.ts'
import { boundOn } from './bound.ts'
import { until } from './until.ts'

/** What a far end without decision records showed of one call, beyond the status. */
export interface Shown {
  /** Undefined: it showed nothing but the status. */
  readonly said: 'accepted' | 'refused' | undefined
  /** Ours where the declaration knows the program's word for it, else that word. */
  readonly reason: string | null
  /** Reasons that the declaration has words for: only these are compared. */
  readonly comparable: readonly string[]
  /** What the declaration says that refused callers get. */
  readonly answers: WeakerProof['answers']
  /** What should have been there and was not. */
  readonly missing?: string
}

type Called = Pick<AnyCalled, 'conn' | 'promised' | 'field'> & { readonly isAnswered: boolean }

const lineWithinMs = 2_000

/** Begins to look for what the declaration of a program says that it shows: what is older is about other calls. */
export async function watchFor(proof: WeakerProof, site: Site, node: string) {
  const file = proof.proof === 'log line' ? proof.file : undefined
  const all = async (): Promise<readonly string[]> => {
    const at = site.node(node)
    if (file === undefined) return at.logs()
    // A program may make its log file with its first line.
    return (await at.readFile(file).catch(() => '')).split('\n')
  }
  // The last of a file's lines is the one that is not there yet.
  const before = (await all()).length - (file === undefined ? 0 : 1)
  const lines = async () => (await all()).slice(before)
  const shown = async (called: Called, waitMs = lineWithinMs): Promise<Shown> => {
    const withinMs = boundOn(site, waitMs)
    const comparable = Object.keys(proof.reasons ?? {})
    const nothing = { said: undefined, reason: null, comparable, answers: proof.answers }
    // Most programs write nothing of a connection that ended at TLS.
    if (proof.proof === 'status alone' || !called.isAnswered) return nothing
    const isHeader = proof.proof === 'header'
    const found = isHeader ? called.field?.(proof.name) : await inLog(proof.pattern, called, lines, withinMs)
    if (found === undefined) {
      const missing = isHeader
        ? `the answer has no header ${proof.name}`
        : `no line of its log matches ${proof.pattern}, ${withinMs} ms after the call`
      return { ...nothing, missing: called.promised ? undefined : missing }
    }
    const [ours] = Object.entries(proof.reasons ?? {}).find(([, word]) => word === found) ?? [found]
    return { ...nothing, said: found === '' ? 'accepted' : 'refused', reason: ours === '' ? null : ours }
  }
  return { lines, shown }
}

/** The reason of the first refusal among the lines of this call; empty where there are accepts only, even after the wait. */
async function inLog(
  pattern: string,
  { conn, promised }: Called,
  lines: () => Promise<readonly string[]>,
  withinMs: number,
): Promise<string | undefined> {
  const expression = new RegExp(pattern)
  let reasons: string[] = []
  const look = async () => {
    reasons = (await lines()).flatMap((line) => reasonIn(line, expression, conn))
    return reasons.some((reason) => reason !== '') || promised
  }
  await until('a line', look, { withinMs, everyMs: 10 }).catch(() => {})
  return reasons.find((reason) => reason !== '') ?? reasons[0]
}

function reasonIn(line: string, expression: RegExp, conn: string): string[] {
  const groups = expression.exec(line)?.groups
  if (groups === undefined) return []
  const isOfCall = groups.conn === undefined || conn === groups.conn || conn.endsWith(`:${groups.conn}`)
  return isOfCall ? [groups.reason ?? ''] : []
}
