import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { afterAtMost } from './wall-timer.ts'

beforeEach(() => void vi.useFakeTimers({ now: 1_000_000 }))
afterEach(() => void vi.useRealTimers())

test('acts once, when the time has come and not before', () => {
  const act = vi.fn()
  afterAtMost(2_500, act)

  vi.advanceTimersByTime(2_499)
  expect(act).not.toHaveBeenCalled()
  vi.advanceTimersByTime(1)
  expect(act).toHaveBeenCalledTimes(1)
  vi.advanceTimersByTime(10_000)
  expect(act).toHaveBeenCalledTimes(1)
})

test('a clock that is set forward is noticed within a second, one that is set back makes nothing late', () => {
  const act = vi.fn()
  afterAtMost(3_600_000, act)

  vi.setSystemTime(1_000_000 + 3_600_000)
  vi.advanceTimersByTime(1_000)
  expect(act).toHaveBeenCalledTimes(1)

  const again = vi.fn()
  afterAtMost(1_500, again)
  vi.setSystemTime(Date.now() - 60_000)
  vi.advanceTimersByTime(1_499)
  expect(again).not.toHaveBeenCalled()
  vi.advanceTimersByTime(1)
  expect(again).toHaveBeenCalledTimes(1)
})
