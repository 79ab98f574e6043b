import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Patience } from './patience.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance', 'setTimeout'] }))
afterEach(() => void vi.useRealTimers())

const waiting = (ms: number) => () => new Promise((resolve) => setTimeout(resolve, ms))

test('what is waited for one after the other is waited for once in all, and what comes between does not count', async () => {
  const patience = new Patience(2_000)
  const first = patience.during(waiting(700))
  await vi.advanceTimersByTimeAsync(300)
  expect(patience.leftMs).toBe(1_700)
  await vi.advanceTimersByTimeAsync(400)
  await first
  // A body that comes slowly.
  await vi.advanceTimersByTimeAsync(5_000)
  expect([patience.leftMs, patience.end]).toEqual([1_300, performance.now() + 1_300])
  const second = patience.during(waiting(1_500))
  await vi.advanceTimersByTimeAsync(1_500)
  await second
  expect(patience.leftMs).toBe(0)
})

test('what is waited for at the same time counts once, also where it fails', async () => {
  const patience = new Patience(2_000)
  const failing = patience.during(async () => {
    await waiting(500)()
    throw new Error('lost')
  })
  const all = Promise.allSettled([
    failing,
    patience.during(waiting(600)),
    patience.during(() => patience.during(waiting(100))),
  ])
  await vi.advanceTimersByTimeAsync(600)
  await all
  expect(patience.leftMs).toBe(1_400)
})
