import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Decision } from './decision-log.ts'
import { HandshakeRecords } from './handshake-records.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const MINUTE = 60_000
const refused = (port: number): Decision => ({
  ...{
    conn: `127.0.0.1:${port}`,
    listener: 'public',
    requestId: String(port),
    action: 'public:connect',
    target: 'public',
  },
  ...{ verdict: 'refused', layer: 'tls', status: null, error: null, principal: {}, ms: 0 },
  ...{ guard: 'tls.handshake', reason: 'handshake_failed' },
})

function records(perMinute: number) {
  const written: Decision[] = []
  const log = { isFull: false }
  const record = (decision: Decision): void => {
    if (log.isFull) throw new Error('ENOSPC')
    written.push(decision)
  }
  return { written, log, handshakes: new HandshakeRecords({ record }, perMinute) }
}

test('within the bound each is written at once, and says nothing of others', () => {
  const { written, handshakes } = records(3)
  const all = [1, 2, 3].map(refused)
  for (const decision of all) handshakes.record(decision)

  expect(written).toEqual(all)
  vi.advanceTimersByTime(2 * MINUTE)
  handshakes.close()
  expect(written).toEqual(all)
})

test('beyond it the last of a minute is written when the minute is over, and says how many are not', () => {
  const { written, handshakes } = records(3)
  for (let port = 1; port <= 10_000; port += 1) handshakes.record(refused(port))
  expect(written.length).toBe(3)

  vi.advanceTimersByTime(MINUTE)
  expect(written.slice(3)).toEqual([{ ...refused(10_000), notWritten: 9_996 }])
  // What was written of the last minute counts in this one.
  for (let port = 1; port <= 3; port += 1) handshakes.record(refused(port))
  expect(written.slice(4)).toEqual([1, 2].map(refused))
  handshakes.close()
  expect(written.at(-1)).toEqual({ ...refused(3), notWritten: 0 })
})

test('the clock of the wall has no say', () => {
  const { written, handshakes } = records(1)
  handshakes.record(refused(1))
  vi.setSystemTime(Date.now() - 3_600_000)
  handshakes.record(refused(2))
  vi.advanceTimersByTime(MINUTE)

  expect(written).toEqual([refused(1), { ...refused(2), notWritten: 0 }])
})

test('what a full disk does not take is told in a later minute, and ends nothing', () => {
  const { written, log, handshakes } = records(1)
  for (let port = 1; port <= 5; port += 1) handshakes.record(refused(port))
  log.isFull = true
  vi.advanceTimersByTime(MINUTE)
  expect(() => handshakes.record(refused(6))).toThrow('ENOSPC')

  log.isFull = false
  handshakes.record(refused(7))
  handshakes.record(refused(8))
  vi.advanceTimersByTime(MINUTE)
  expect(written.slice(1)).toEqual([refused(7), { ...refused(8), notWritten: 4 }])
})
