import { z } from 'zod'

/** A stage: `waiting` for others, then what its latest attempt is in. */
export type StageState = 'waiting' | 'assigned' | 'running' | 'succeeded' | 'failed' | 'cancelled'

export type RunState = 'queued' | 'running' | 'succeeded' | 'failed' | 'cancelled'

const wallMs = z.number().nonnegative()
const reason = z.string().max(64)

const stageRecord = z.strictObject({
  name: z.string().max(63),
  needs: z.array(z.string()),
  state: z.enum(['waiting', 'assigned', 'running', 'succeeded', 'failed', 'cancelled']),
  /** 0 while it waits; the first is 1. Results of others than the latest are not looked at. */
  attempt: z.int().nonnegative(),
  /** Where the latest attempt is. */
  node: z.string().optional(),
  /** Where earlier ones were lost. */
  lostAt: z.array(z.string()),
  startedAt: wallMs.optional(),
  endedAt: wallMs.optional(),
  output: z.unknown().optional(),
  reason: reason.optional(),
})

/**
 * A run as nodes keep it. Of two records of one run that with the higher epoch is the newer one, and in one epoch that with the higher
 * version.
 */
export const runRecord = z.strictObject({
  id: z.string().regex(/^[a-z0-9-]{1,64}$/),
  /** Of the leader that wrote it. */
  epoch: z.int().positive(),
  version: z.int().positive(),
  pipeline: z.string().max(63),
  params: z.record(z.string(), z.unknown()),
  key: z.string().max(64),
  /** SHA-256 of the body that it was asked for with. */
  digest: z.string().max(64),
  state: z.enum(['queued', 'running', 'succeeded', 'failed', 'cancelled']),
  /** Whether its end is on the disks of a majority, and so for good. Nobody is told of an end before. */
  settled: z.boolean(),
  createdAt: wallMs,
  startedAt: wallMs.optional(),
  endedAt: wallMs.optional(),
  reason: reason.optional(),
  stages: z.array(stageRecord).max(64),
})

export type StageRecord = z.output<typeof stageRecord>
export type RunRecord = z.output<typeof runRecord>

/** What tells which of two records is the newer one. */
export interface Head {
  readonly id: string
  readonly epoch: number
  readonly version: number
}

export function isNewer(one: Omit<Head, 'id'>, other: Omit<Head, 'id'> | undefined): boolean {
  if (other === undefined) return true
  return one.epoch > other.epoch || (one.epoch === other.epoch && one.version > other.version)
}

export function hasEnded({ state }: Pick<RunRecord, 'state'>): boolean {
  return state !== 'queued' && state !== 'running'
}

/** As people may see it: without parameters, outputs and key, and without an end that is not for good. */
export interface PublicRun {
  readonly runId: string
  readonly pipeline: string
  readonly state: RunState
  readonly epoch: number
  readonly createdAt: string
  readonly startedAt?: string
  readonly endedAt?: string
  readonly reason?: string
  readonly stages: readonly {
    readonly name: string
    readonly state: StageState
    readonly attempt: number
    readonly node?: string
    readonly startedAt?: string
    readonly endedAt?: string
    readonly reason?: string
  }[]
}

export function publicRun(record: RunRecord): PublicRun {
  const { id, pipeline, epoch, createdAt, startedAt } = record
  const isShown = !hasEnded(record) || record.settled
  return {
    ...{ runId: id, pipeline, epoch, createdAt: iso(createdAt)! },
    state: visibleState(record),
    ...defined({ startedAt: iso(startedAt) }),
    ...(isShown && defined({ endedAt: iso(record.endedAt), reason: record.reason })),
    stages: record.stages.map(({ name, state, attempt, node, ...stage }) => ({
      ...{ name, state, attempt },
      ...defined({ node, startedAt: iso(stage.startedAt), endedAt: iso(stage.endedAt), reason: stage.reason }),
    })),
  }
}

export function visibleState({
  state,
  settled,
  startedAt,
}: Pick<RunRecord, 'state' | 'settled' | 'startedAt'>): RunState {
  if (!hasEnded({ state }) || settled) return state
  return startedAt === undefined ? 'queued' : 'running'
}

function iso(at: number | undefined): string | undefined {
  return at === undefined ? undefined : new Date(at).toISOString()
}

function defined<Values extends object>(values: Values): Values {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Values
}
