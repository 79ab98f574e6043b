import { z } from 'zod'
import { HoldfastError } from '../errors.ts'
import type { Layer } from '../topology/verification.ts'

const decisionRecord = z.object({
  /** ISO 8601, UTC, milliseconds. */
  ts: z.iso.datetime({ precision: 3 }),
  /** Counts up by one within a process. */
  seq: z.int().min(1),
  node: z.string().min(1),
  unit: z.string().min(1),
  /** `<remote address>:<remote port>` of the connection as the deciding node saw it; empty for decisions without one. */
  conn: z.string(),
  /** Of a call through a proxy that is known by its certificate: which one, and where it says that the caller is (RFC 7239), with the port or without. */
  via: z.string().nullish(),
  remote: z.string().nullish(),
  listener: z.string(),
  requestId: z.string(),
  traceId: z.string().optional(),
  action: z.string(),
  verdict: z.enum(['accepted', 'refused']),
  layer: z.enum(['start-up', 'tls', 'http', 'session', 'broker'] satisfies Layer[]),
  /** HTTP status that the caller got, if the layer has one. */
  status: z.int().nullable(),
  /** Protocol error code that the caller got. */
  error: z.string().nullable(),
  /** Id of the guard that refused; null when accepted. */
  guard: z.string().nullable(),
  /** Machine-readable reason; null when accepted. */
  reason: z.string().nullable(),
  target: z.string(),
  /** Proven values only. */
  principal: z.record(z.string(), z.string()),
  ms: z.number().min(0),
})

/** One accept or refusal, as the node that decided wrote it (one JSON line). Services may add members, never rename these. */
export type DecisionRecord = z.infer<typeof decisionRecord>

const extendedRecord = decisionRecord.loose()

/** Where a line of a decision log stands. */
interface DecisionPlace {
  readonly node: string
  readonly file: string
  /** Beginning with 1. */
  readonly line: number
}

/** A line of a decision log is no decision record: nothing that its node says can be believed. */
export class DecisionMalformed extends HoldfastError {
  constructor({ node, file, line }: DecisionPlace, problem: string) {
    super(
      'HOLDFAST_DECISION_MALFORMED',
      `the decision log of ${node} is malformed: ${file}, line ${line}: ${problem}; ` +
        'write one JSON object in each line, with the members of a decision record (docs/guides/add-a-service-kind.md)',
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
  const parsed = extendedRecord.safeParse(value)
  if (parsed.success) return parsed.data
  const problems = parsed.error.issues.map(({ path, message }) => `member ${path.join('.') || '(whole)'}: ${message}`)
  throw new DecisionMalformed(place, problems.join('; '))
}
