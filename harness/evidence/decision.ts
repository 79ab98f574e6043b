import { z } from 'zod'
import { HoldfastError } from '../errors.ts'
import type { Layer } from '../topology/verification.ts'

/** One accept or refusal, as the node that decided wrote it (one JSON line). Services may add members, never rename these. */
export interface DecisionRecord {
  /** ISO 8601, UTC, milliseconds. */
  ts: string
  /** Counts up by one within a process. */
  seq: number
  node: string
  unit: string
  /** `<remote address>:<remote port>` of the connection as the deciding node saw it; empty for decisions without one. */
  conn: string
  listener: string
  requestId: string
  traceId?: string
  action: string
  verdict: 'accepted' | 'refused'
  layer: Layer
  /** HTTP status that the caller got, if the layer has one. */
  status: number | null
  /** Protocol error code that the caller got. */
  error: string | null
  /** Id of the guard that refused; null when accepted. */
  guard: string | null
  /** Machine-readable reason; null when accepted. */
  reason: string | null
  target: string
  /** Proven values only. */
  principal: Readonly<Record<string, string>>
  ms: number
}

const decisionSchema: z.ZodType<DecisionRecord> = z.looseObject({
  ts: z.iso.datetime({ precision: 3 }),
  seq: z.int().min(1),
  node: z.string().min(1),
  unit: z.string().min(1),
  conn: z.string(),
  listener: z.string(),
  requestId: z.string(),
  traceId: z.string().optional(),
  action: z.string(),
  verdict: z.enum(['accepted', 'refused']),
  layer: z.enum(['start-up', 'tls', 'http', 'session', 'broker']),
  status: z.int().nullable(),
  error: z.string().nullable(),
  guard: z.string().nullable(),
  reason: z.string().nullable(),
  target: z.string(),
  principal: z.record(z.string(), z.string()),
  ms: z.number().min(0),
})

/** Where a line of a decision log stands. */
export interface DecisionPlace {
  readonly node: string
  readonly file: string
  /** Beginning with 1. */
  readonly line: number
}

/** A line of a decision log is no decision record: nothing that its node says can be believed. */
export class DecisionMalformed extends HoldfastError {
  constructor({ node, file, line }: DecisionPlace, problem: string, options?: ErrorOptions) {
    super(
      'HOLDFAST_DECISION_MALFORMED',
      `the decision log of ${node} is malformed: ${file}, line ${line}: ${problem}; ` +
        'write one JSON object in each line, with the members of a decision record (docs/guides/add-a-service-kind.md)',
      options,
    )
  }
}

/** Reads one line of a decision log. @throws DecisionMalformed with every member that is wrong */
export function readDecision(text: string, place: DecisionPlace): DecisionRecord {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    // What the line holds is not shown: it may be anything, a token too.
    throw new DecisionMalformed(place, 'it is no JSON')
  }
  const parsed = decisionSchema.safeParse(value)
  if (parsed.success) return parsed.data
  const problems = parsed.error.issues.map(({ path, message }) => `member ${path.join('.') || '(whole)'}: ${message}`)
  throw new DecisionMalformed(place, problems.join('; '))
}
