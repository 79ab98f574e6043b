import { expect, test } from 'vitest'
import { advance, cancelled, created, reported, settled, type World } from './run-changes.ts'
import { publicRun, type RunRecord } from './run-record.ts'

const stages = [
  { name: 'a', needs: [] },
  { name: 'b', needs: ['a'] },
  { name: 'c', needs: ['a'] },
]
const fresh = created({
  ...{ id: 'r', epoch: 2, pipeline: 'p', params: { x: 1 }, key: 'k', digest: 'd', createdAt: 1_000, stages },
})
const world = (more: Partial<World> = {}): World => ({ now: 5_000, isLost: () => false, place: () => 'n1', ...more })
const states = (record: RunRecord) => record.stages.map(({ state }) => state)
const report = (stage: string, attempt: number, state: 'running' | 'succeeded' | 'failed' | 'lost', more = {}) => {
  return { stage, attempt, state, ...more }
}
const assigned = advance(fresh, world())
const halfway = reported(assigned, [report('a', 1, 'succeeded', { output: { y: 2 } })], 6_000)

test('stages begin when those that they need have succeeded, as many at once as can', () => {
  expect(fresh).toMatchObject({ state: 'queued', version: 1, settled: false })
  expect(states(assigned)).toEqual(['assigned', 'waiting', 'waiting'])
  expect(assigned).toMatchObject({ state: 'running', startedAt: 5_000, stages: [{ attempt: 1, node: 'n1' }, {}, {}] })
  expect(advance(assigned, world())).toBe(assigned)

  expect(halfway.stages[0]).toMatchObject({ state: 'succeeded', output: { y: 2 }, endedAt: 6_000 })
  expect(states(advance(halfway, world()))).toEqual(['succeeded', 'assigned', 'assigned'])
  const busy = advance(fresh, world({ place: () => undefined }))
  expect(busy).toBe(fresh)
})

test('a run succeeds with its last stage, and fails with any', () => {
  const last = advance(halfway, world())
  const ok = reported(last, [report('b', 1, 'succeeded'), report('c', 1, 'succeeded')], 7_000)
  expect(advance(ok, world({ now: 8_000 }))).toMatchObject({ state: 'succeeded', endedAt: 8_000, settled: false })

  const bad = reported(last, [report('b', 1, 'failed', { reason: 'exit_1' })], 7_000)
  const failed = advance(bad, world())
  expect(failed).toMatchObject({ state: 'failed', reason: 'exit_1' })
  expect(states(failed)).toEqual(['succeeded', 'failed', 'cancelled'])
  expect(advance(failed, world())).toBe(failed)
})

test('results of another attempt, of a stage that is not under way, and of a run that has ended count for nothing', () => {
  expect(reported(assigned, [report('a', 2, 'succeeded')], 6_000)).toBe(assigned)
  expect(reported(assigned, [report('b', 0, 'succeeded')], 6_000)).toBe(assigned)
  const again = reported(halfway, [report('a', 1, 'failed')], 6_000)
  expect(again).toBe(halfway)
  const second = advance(reported(assigned, [report('a', 1, 'lost')], 6_000), world())
  expect(second.stages[0]).toMatchObject({ attempt: 2, state: 'assigned' })
  expect(reported(second, [report('a', 1, 'succeeded')], 7_000)).toBe(second)
  expect(states(reported(second, [report('a', 2, 'succeeded')], 7_000))[0]).toBe('succeeded')
  const over = cancelled(assigned, 6_000)
  expect(reported(over, [report('a', 1, 'succeeded')], 7_000)).toBe(over)
})

test('a lost stage is tried elsewhere, three times in all', () => {
  const avoided: (readonly string[])[] = []
  const place = (lostAt: readonly string[]): string => {
    avoided.push(lostAt)
    return `n${lostAt.length + 1}`
  }
  let record = advance(fresh, world({ place }))
  for (const node of ['n1', 'n2']) {
    expect(record.stages[0]!.node).toBe(node)
    record = advance(record, world({ place, isLost: (one) => one === node }))
  }
  expect(record.stages[0]).toMatchObject({ attempt: 3, node: 'n3', state: 'assigned', lostAt: ['n1', 'n2'] })
  expect(avoided).toEqual([[], ['n1'], ['n1', 'n2']])
  record = advance(record, world({ place, isLost: () => true }))
  expect(record.stages[0]).toMatchObject({ state: 'failed', reason: 'attempts_exhausted' })
  expect(advance(record, world({ place }))).toMatchObject({ state: 'failed', reason: 'attempts_exhausted' })
})

test('an end is shown once it is settled, and not before', () => {
  const over = cancelled(assigned, 6_000)
  expect(publicRun(over)).toMatchObject({ state: 'running' })
  expect(publicRun(over)).not.toHaveProperty('endedAt')
  expect(publicRun(settled(over))).toMatchObject({ state: 'cancelled', endedAt: new Date(6_000).toISOString() })
  expect(publicRun(cancelled(fresh, 6_000))).toMatchObject({ state: 'queued' })
  expect(settled(assigned)).toBe(assigned)
  expect(JSON.stringify(publicRun(settled(over)))).not.toMatch(/params|"key"|digest|output/)
})
