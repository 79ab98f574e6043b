import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { afterAtMost, atWallTime, untilWallTime } from './wall-timer.ts'

beforeEach(() => void vi.useFakeTimers({ now: 1_000_000 }))
afterEach(() => void vi.useRealTimers())

test('acts once, when the time has come and not before', () => {
  const act = vi.fn()
  atWallTime(1_002_500, act)
  vi.advanceTimersByTime(2_499)
  expect(act).not.toHaveBeenCalled()
  vi.advanceTimersByTime(10_000)
  expect(act).toHaveBeenCalledTimes(1)
})

test('a clock that is set forward is noticed within a second, one that is set back is waited for', () => {
  const act = vi.fn()
  atWallTime(1_000_000 + 3_600_000, act)
  vi.setSystemTime(1_000_000 + 3_600_000)
  vi.advanceTimersByTime(1_000)
  expect(act).toHaveBeenCalledTimes(1)

  const again = vi.fn()
  atWallTime(Date.now() + 1_500, again)
  vi.setSystemTime(Date.now() - 60_000)
  vi.advanceTimersByTime(30_000)
  expect(again).not.toHaveBeenCalled()
  vi.advanceTimersByTime(31_500)
  expect(again).toHaveBeenCalledTimes(1)
})

test('what is due after a while is due by the first of both clocks, whichever is set', () => {
  const [asleep, setBack] = [vi.fn(), vi.fn()]
  afterAtMost(3_600_000, asleep)
  vi.setSystemTime(1_000_000 + 3_600_000)
  vi.advanceTimersByTime(1_000)
  expect(asleep).toHaveBeenCalledTimes(1)

  afterAtMost(5_000, setBack)
  vi.setSystemTime(Date.now() - 600_000)
  vi.advanceTimersByTime(4_999)
  expect(setBack).not.toHaveBeenCalled()
  vi.advanceTimersByTime(1)
  expect(setBack).toHaveBeenCalledTimes(1)
  vi.advanceTimersByTime(3_600_000)
  expect(setBack).toHaveBeenCalledTimes(1)
})

test('whoever waits for a time goes on when the clock says so, however it came to that', async () => {
  const [reached, passed] = [vi.fn(), vi.fn()]
  void untilWallTime(1_000_000 + 3_600_000).then(reached)
  void untilWallTime(999_000).then(passed)
  await vi.advanceTimersByTimeAsync(2_000)
  expect(passed).toHaveBeenCalledTimes(1)
  expect(reached).not.toHaveBeenCalled()
  vi.setSystemTime(1_000_000 + 3_600_000)
  await vi.advanceTimersByTimeAsync(1_000)
  expect(reached).toHaveBeenCalledTimes(1)
})

test('a time that has passed is acted upon after the call; a closed timer never acts', () => {
  const act = vi.fn()
  atWallTime(999_000, act)
  expect(act).not.toHaveBeenCalled()
  vi.advanceTimersByTime(0)
  expect(act).toHaveBeenCalledTimes(1)

  const closed = vi.fn()
  const timer = atWallTime(1_005_000, closed)
  vi.advanceTimersByTime(2_000)
  timer.close()
  vi.advanceTimersByTime(60_000)
  expect(closed).not.toHaveBeenCalled()
})
