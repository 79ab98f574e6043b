import { z } from 'zod'
import { TIERS } from '../tiers.ts'

/** What the doctor looks at, in this order. */
export const CHECK_IDS = [
  ...(['config.schema', 'tier.consistent', 'secret.strength'] as const),
  ...([
    'postgres.connect',
    'postgres.version',
    'postgres.migrations',
    'postgres.roles',
    'postgres.append-only',
  ] as const),
  ...(['postgres.vector', 'seal.round-trip', 'seal.rows-readable', 'tls.server-certificate'] as const),
  ...(['ca.https', 'ca.pin', 'ca.health', 'ca.provisioner', 'ca.clock', 'ca.crl', 'audit.lag'] as const),
] as const

export type CheckId = (typeof CHECK_IDS)[number]

export const checkSchema = z.strictObject({
  id: z.enum(CHECK_IDS),
  /** `skip`: it could not be made, or does not concern this gateway. */
  status: z.enum(['ok', 'warn', 'fail', 'skip']),
  ms: z.number().min(0),
  detail: z.string(),
  /** What to do; null where nothing is to be done. */
  remedy: z.string().nullable(),
})

/** `GET /doctor`, and `gateway doctor --json`. */
export const doctorReportSchema = z.strictObject({
  /** Null: the configuration could not be read. */
  tier: z.enum(TIERS).nullable(),
  /** Nothing failed. */
  ok: z.boolean(),
  checks: z.array(checkSchema),
})

export type Check = z.output<typeof checkSchema>
export type DoctorReport = z.output<typeof doctorReportSchema>
