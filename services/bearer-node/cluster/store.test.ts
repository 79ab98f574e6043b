import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { StorageUnavailable } from '../../shared/sqlite.ts'
import { StartFailure } from '../../shared/start-failure.ts'
import type { RunRecord } from './run-record.ts'
import { KEY_KEPT_MS, openStore, type Store } from './store.ts'

const root = mkdtempSync(join(tmpdir(), 'holdfast-store-'))
afterAll(() => rmSync(root, { recursive: true }))

let made = 0
const folder = (): string => join(root, String(made++))

function opened(at = folder()): Store & Disposable & { folder: string } {
  const store = openStore(at)
  return Object.assign(store, { folder: at, [Symbol.dispose]: () => store.close() })
}

const record = (id: string, more: Partial<RunRecord> = {}): RunRecord => ({
  ...{ id, epoch: 1, version: 1, pipeline: 'pair', params: {}, key: `key-of-${id}`, digest: 'd', state: 'queued' },
  ...{ settled: false, createdAt: 1_000, stages: [], ...more },
})

test('what was written is there after a restart', () => {
  const at = folder()
  const attempt = { run: 'a', stage: 's', attempt: 1, state: 'succeeded', output: { x: [1] } } as const
  {
    using store = opened(at)
    store.putLease({ epoch: 3, holder: 'orc-1', leaseMs: 5_000, released: true })
    store.putRuns([record('a'), record('b', { version: 4 })])
    store.putAttempt(attempt)
    expect(statSync(join(at, 'state.db')).mode & 0o777).toBe(0o600)
  }
  using store = opened(at)

  expect(store.lease()).toEqual({ epoch: 3, holder: 'orc-1', leaseMs: 5_000, released: true })
  expect(store.run('b')).toEqual(record('b', { version: 4 }))
  expect([...store.heads().keys()]).toEqual(['a', 'b'])
  expect(store.attempt('a', 's', 1)).toEqual(attempt)
  expect(store.byKey('key-of-a')).toEqual({ key: 'key-of-a', digest: 'd', run: 'a', at: 1_000 })
})

test('an attempt that was running when the process ended is lost', () => {
  const at = folder()
  {
    using store = opened(at)
    store.putAttempt({ run: 'a', stage: 's', attempt: 1, state: 'running' })
    store.putAttempt({ run: 'a', stage: 's', attempt: 2, state: 'failed', reason: 'exit_1' })
  }
  using store = opened(at)

  expect(store.attempt('a', 's', 1)).toMatchObject({ state: 'lost', reason: 'node_restarted' })
  expect(store.attempt('a', 's', 2)).toMatchObject({ state: 'failed', reason: 'exit_1' })
  expect(store.attempt('a', 's', 3)).toBeUndefined()
})

test('a folder belongs to one process at a time', () => {
  const at = folder()
  {
    using _ = opened(at)
    expect(() => openStore(at)).toThrow(StartFailure)
    expect(() => openStore(at)).toThrow(/locked/)
  }
  using store = opened(at)
  expect(store.isWritable()).toBe(true)
})

test.each<[string, Partial<RunRecord>, Partial<RunRecord>, 'kept' | 'replaced']>([
  ['a higher version', { epoch: 2, version: 3 }, { epoch: 2, version: 4 }, 'replaced'],
  ['the same version', { epoch: 2, version: 3 }, { epoch: 2, version: 3 }, 'kept'],
  ['a lower version', { epoch: 2, version: 3 }, { epoch: 2, version: 2 }, 'kept'],
  ['a higher epoch with a lower version', { epoch: 2, version: 3 }, { epoch: 3, version: 1 }, 'replaced'],
  ['a lower epoch with a higher version', { epoch: 2, version: 3 }, { epoch: 1, version: 9 }, 'kept'],
])('%s', (_, before, after, expected) => {
  using store = opened()
  store.putRuns([record('a', before)])
  store.putRuns([record('a', { ...after, reason: 'later' })])

  expect(store.run('a')?.reason).toBe(expected === 'replaced' ? 'later' : undefined)
})

test('of two runs with one key that of the higher epoch stays, whichever comes first', () => {
  for (const order of [
    [0, 1],
    [1, 0],
  ]) {
    using store = opened()
    const rivals = [record('a', { key: 'k', epoch: 1 }), record('b', { key: 'k', epoch: 2, createdAt: 500 })]
    for (const at of order) store.putRuns([rivals[at]!])

    expect([...store.heads().keys()]).toEqual(['b'])
    expect(store.run('a')).toBeUndefined()
    expect(store.byKey('k')).toMatchObject({ run: 'b' })
  }
})

test('a key that was used again a day later leaves both runs', () => {
  using store = opened()
  store.putRuns([record('a', { key: 'k' })])
  store.putRuns([record('b', { key: 'k', createdAt: 1_000 + KEY_KEPT_MS })])

  expect([...store.heads().keys()]).toEqual(['a', 'b'])
  expect(store.byKey('k')).toMatchObject({ run: 'b' })
  // One that is told of late does not take it back.
  store.putRuns([record('a', { key: 'k', version: 2 })])
  expect(store.byKey('k')).toMatchObject({ run: 'b' })
  store.forgetKeys(1_001)
  expect(store.byKey('k')).toMatchObject({ run: 'b' })
  store.forgetKeys(KEY_KEPT_MS + 2_000)
  expect(store.byKey('k')).toBeUndefined()
})

test('records that cannot be written leave nothing behind, in memory either', () => {
  using store = opened()
  store.putRuns([record('a')])
  const digest = store.digest()
  const circle: Record<string, unknown> = {}
  circle.self = circle

  expect(() => store.putRuns([record('b'), record('c', { params: circle })])).toThrow(TypeError)
  expect([...store.heads().keys()]).toEqual(['a'])
  expect(store.digest()).toBe(digest)
  expect(store.run('b')).toBeUndefined()
  expect(StorageUnavailable).toBeDefined()
})

test('the digest tells records apart, whatever the order they came in', () => {
  using one = opened()
  using other = opened()
  one.putRuns([record('a'), record('b')])
  other.putRuns([record('b')])
  expect(one.digest()).not.toBe(other.digest())
  other.putRuns([record('a')])
  expect(one.digest()).toBe(other.digest())

  other.putRuns([record('a', { version: 2 })])
  expect(one.digest()).not.toBe(other.digest())
  one.putRuns([record('a', { version: 2 }), record('c')])
  one.dropRuns(['c'])
  expect(one.digest()).toBe(other.digest())
  using again = opened()
  expect(again.digest()).toBe('0000000000000000')
})

test('runs are given newest first', () => {
  using store = opened()
  store.putRuns(['a1', 'a2', 'a3'].map((id) => record(id)))

  expect(store.runsBefore(undefined, 2).map(({ id }) => id)).toEqual(['a3', 'a2'])
  expect(store.runsBefore('a2', 2).map(({ id }) => id)).toEqual(['a1'])
})

test('attempts are forgotten with their runs', () => {
  using store = opened()
  store.putRuns([record('a')])
  for (const run of ['a', 'b']) store.putAttempt({ run, stage: 's', attempt: 1, state: 'failed', reason: 'x' })
  store.forgetAttempts()

  expect(store.attempt('a', 's', 1)).toBeDefined()
  expect(store.attempt('b', 's', 1)).toBeUndefined()
})
