import type { Site } from '../backends/backend.ts'
import { type Answer, headerValues } from '../clients/exchange.ts'
import type { WeakerProof } from '../topology/proof.ts'
import type { Mark } from './far-end.ts'
import { until } from './until.ts'

/** What a far end without decision records showed of one call, beyond the status. */
export interface Shown {
  /** Undefined: it showed nothing but the status. */
  readonly said: 'accepted' | 'refused' | undefined
  /** Ours where the declaration knows the program's word for it, else that word. */
  readonly reason: string | null
  /** Reasons that the declaration has words for: only these are compared. */
  readonly comparable: readonly string[]
  /** What should have been there and was not. */
  readonly missing?: string
}

interface Called {
  readonly site: Site
  readonly node: string
  readonly mark: Mark
  readonly answer: Answer
  readonly promised: boolean
}

const lineWithinMs = 2_000

/** Looks for what the declaration of a program says that it shows. */
export async function shownBy(proof: WeakerProof, called: Called, withinMs = lineWithinMs): Promise<Shown> {
  const comparable = Object.keys(proof.reasons ?? {})
  const nothing = { said: undefined, reason: null, comparable }
  // At TLS there is no answer, and most programs write nothing either.
  if (proof.proof === 'status alone' || called.answer.status === null) return nothing
  const found = proof.proof === 'header' ? inHeader(proof.name, called) : await inLog(proof.pattern, called, withinMs)
  if (typeof found !== 'string') return { ...nothing, missing: called.promised ? undefined : found.missing }
  const [ours] = Object.entries(proof.reasons ?? {}).find(([, word]) => word === found) ?? [found]
  return { said: found === '' ? 'accepted' : 'refused', reason: ours === '' ? null : ours, comparable }
}

interface Missing {
  readonly missing: string
}

function inHeader(name: string, { answer }: Called): string | Missing {
  const [value] = headerValues(answer.headers, name)
  return value?.trim() ?? { missing: `the answer has no header ${name}` }
}

/** The reason of the first refusal among the lines of this call; empty where only accepts are. */
async function inLog(pattern: string, called: Called, withinMs: number): Promise<string | Missing> {
  const { site, node, mark, promised } = called
  const expression = new RegExp(pattern)
  const look = () => {
    const reasons = site
      .node(node)
      .logs()
      .slice(mark.logged)
      .flatMap((line) => reasonIn(line, expression, called))
    return reasons.length > 0 && { reason: reasons.find((reason) => reason !== '') ?? '' }
  }
  const found =
    look() || (promised ? undefined : await until('a line', look, { withinMs, everyMs: 10 }).catch(() => undefined))
  return found?.reason ?? { missing: `${node} wrote no line that matches ${pattern} within ${withinMs} ms` }
}

function reasonIn(line: string, expression: RegExp, { answer: { conn } }: Called): string[] {
  const groups = expression.exec(line)?.groups
  if (groups === undefined) return []
  const isOfCall = groups.conn === undefined || conn === groups.conn || conn.endsWith(`:${groups.conn}`)
  return isOfCall ? [groups.reason ?? ''] : []
}
