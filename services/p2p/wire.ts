import { z } from 'zod'

// What nodes answer. Members that are not read here may come and go.

const text = z.string()
const whole = z.int().min(0)
const state = z.enum(['queued', 'running', 'succeeded', 'failed', 'cancelled'])

export const accepted = z.looseObject({ runId: text, state, leader: text, epoch: whole })
export type Accepted = z.output<typeof accepted>

export const run = z.looseObject({
  runId: text,
  pipeline: text,
  state,
  createdAt: text,
  startedAt: text.optional(),
  endedAt: text.optional(),
  reason: text.optional(),
  stages: z.array(
    z.looseObject({
      name: text,
      state: text,
      attempt: whole,
      node: text.optional(),
      startedAt: text.optional(),
      endedAt: text.optional(),
      reason: text.optional(),
    }),
  ),
})
export type Run = z.output<typeof run>

export const runList = z.looseObject({ runs: z.array(run), cursor: text.nullable() })

export const runState = z.looseObject({ runId: text, state })

export const output = z.looseObject({
  runId: text,
  pipeline: text,
  state,
  params: z.record(text, z.unknown()),
  /** By stage: of those that have succeeded. */
  outputs: z.record(text, z.unknown()),
})

export const pipelines = z.looseObject({
  pipelines: z.array(z.looseObject({ name: text, params: z.record(text, z.unknown()) })),
})

export const leader = z.looseObject({ leader: text.nullable(), epoch: whole, url: text.nullable() })

export const handedOver = z.looseObject({ to: text, epoch: whole })

export const status = z.looseObject({
  cluster: text,
  node: text,
  role: text,
  leader: text.nullable(),
  epoch: whole,
  peers: z.array(
    z.looseObject({
      id: text,
      url: text,
      reachable: z.boolean(),
      lastSeenMs: z.number().nullish(),
      peerAuth: z.enum(['ok', 'refused_us', 'we_refused', 'unknown']),
    }),
  ),
})
export type Status = z.output<typeof status>

export const auth = z.looseObject({
  sends: text.nullable(),
  accepts: z.array(z.looseObject({ ref: text, until: text.nullish() })),
})
export type Auth = z.output<typeof auth>
