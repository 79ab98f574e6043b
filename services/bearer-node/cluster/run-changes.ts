import { hasEnded, type RunRecord, type StageRecord } from './run-record.ts'

/** What becomes of a run: each function answers the same record where nothing does. Version and epoch are set by whoever writes it. */

/** A stage that is lost with its node is tried elsewhere, so often in all. */
const MOST_ATTEMPTS = 3

export interface NewRun {
  readonly id: string
  readonly epoch: number
  readonly pipeline: string
  readonly params: Readonly<Record<string, unknown>>
  readonly key: string
  readonly digest: string
  readonly createdAt: number
  readonly stages: readonly { readonly name: string; readonly needs: readonly string[] }[]
}

export function created({ stages, params, ...run }: NewRun): RunRecord {
  return {
    ...{ ...run, params: { ...params }, version: 1, state: 'queued', settled: false },
    stages: stages.map(({ name, needs }) => ({ name, needs: [...needs], state: 'waiting', attempt: 0, lostAt: [] })),
  }
}

export interface World {
  /** Ms since 1970. */
  readonly now: number
  /** The node is gone for longer than a silent peer may be silent. */
  isLost(node: string): boolean
  /** Where to run a stage: a node that lives, and none of `avoided` where there is another. Undefined: all are busy. */
  place(avoided: readonly string[]): string | undefined
}

/** The next step of a run that has not ended. */
export function advance(record: RunRecord, world: World): RunRecord {
  if (hasEnded(record)) return record
  const failed = record.stages.find(({ state }) => state === 'failed')
  if (failed !== undefined) return ended(record, 'failed', world.now, failed.reason)
  if (record.stages.every(({ state }) => state === 'succeeded')) return ended(record, 'succeeded', world.now)
  const kept = changedStages(record, (stage) =>
    isActive(stage) && world.isLost(stage.node!) ? lost(stage, world.now, 'node_lost') : stage,
  )
  const placed = changedStages(kept, (stage) => (isReady(stage, kept) ? assigned(stage, world) : stage))
  const isStarted = placed.startedAt !== undefined || !placed.stages.some(isActive)
  return isStarted ? placed : { ...placed, state: 'running', startedAt: world.now }
}

/** What the node of a stage says of the latest attempt. */
export interface Report {
  readonly stage: string
  readonly attempt: number
  readonly state: 'running' | 'succeeded' | 'failed' | 'lost'
  readonly output?: unknown
  readonly reason?: string | undefined
}

/** Results of earlier attempts, and of runs that have ended, count for nothing. */
export function reported(record: RunRecord, reports: readonly Report[], now: number): RunRecord {
  if (hasEnded(record)) return record
  return changedStages(record, (stage) => {
    const report = reports.find((one) => one.stage === stage.name && one.attempt === stage.attempt)
    return report === undefined || !isActive(stage) ? stage : afterReport(stage, report, now)
  })
}

function afterReport(stage: StageRecord, { state, output, reason }: Report, now: number): StageRecord {
  if (state === 'lost') return lost(stage, now, reason ?? 'lost')
  if (state === 'running') return stage.state === 'running' ? stage : { ...stage, state, startedAt: now }
  const startedAt = stage.startedAt ?? now
  if (state === 'succeeded') return { ...stage, state, startedAt, endedAt: now, output: output ?? null }
  return { ...stage, state, startedAt, endedAt: now, reason: reason ?? 'failed' }
}

/** Wherever its stages are: they are told by whoever notices. */
export function cancelled(record: RunRecord, now: number): RunRecord {
  return hasEnded(record) ? record : ended(record, 'cancelled', now, 'cancelled')
}

/** The end of the run is on a majority. */
export function settled(record: RunRecord): RunRecord {
  return record.settled || !hasEnded(record) ? record : { ...record, settled: true }
}

export function isActive({ state }: Pick<StageRecord, 'state'>): boolean {
  return state === 'assigned' || state === 'running'
}

function ended(
  record: RunRecord,
  state: 'succeeded' | 'failed' | 'cancelled',
  now: number,
  reason?: string,
): RunRecord {
  const stages = record.stages.map((stage): StageRecord => {
    return ['waiting', 'assigned', 'running'].includes(stage.state) ? { ...stage, state: 'cancelled' } : stage
  })
  return { ...record, state, stages, endedAt: now, ...(reason !== undefined && { reason }) }
}

function isReady(stage: StageRecord, { stages }: RunRecord): boolean {
  const isDone = (name: string): boolean => stages.find((one) => one.name === name)?.state === 'succeeded'
  return stage.state === 'waiting' && stage.needs.every(isDone)
}

function assigned(stage: StageRecord, { place }: World): StageRecord {
  const node = place(stage.lostAt)
  if (node === undefined) return stage
  return { ...stage, state: 'assigned', attempt: stage.attempt + 1, node }
}

/** It waits for another node, or was lost once too often. */
function lost({ node, startedAt: _, ...stage }: StageRecord, now: number, reason: string): StageRecord {
  const lostAt = [...stage.lostAt, node!]
  if (stage.attempt < MOST_ATTEMPTS) return { ...stage, lostAt, state: 'waiting', reason }
  return { ...stage, lostAt, state: 'failed', endedAt: now, reason: 'attempts_exhausted' }
}

function changedStages(record: RunRecord, change: (stage: StageRecord) => StageRecord): RunRecord {
  const stages = record.stages.map(change)
  return stages.every((stage, at) => stage === record.stages[at]) ? record : { ...record, stages }
}
