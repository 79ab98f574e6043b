import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { repeat } from './repeat.ts'

const warned: string[] = []
const log = { warn: (event: string, fields: object = {}) => void warned.push(`${event} ${Object.values(fields)}`) }

beforeEach(() => {
  vi.useFakeTimers()
  warned.length = 0
})
afterEach(() => {
  vi.useRealTimers()
})

test('work begins at once, comes again so long after each time, and once more for whoever asks while it is done', async () => {
  const begun: number[] = []
  const repeated = repeat('work', 1_000, log, async () => {
    begun.push(Date.now())
    await new Promise((resolve) => setTimeout(resolve, 500))
  })
  const from = Date.now()
  await vi.advanceTimersByTimeAsync(1_600)
  expect(begun.map((at) => at - from)).toEqual([0, 1_500])
  repeated.wake()
  repeated.wake()
  await vi.advanceTimersByTimeAsync(500)
  expect(begun.map((at) => at - from)).toEqual([0, 1_500, 2_000])
  await vi.advanceTimersByTimeAsync(600)
  repeated.wake()
  expect(begun.map((at) => at - from)).toEqual([0, 1_500, 2_000, 2_700])
  let isStopped = false
  const stopping = repeated.stop().then(() => {
    isStopped = true
  })
  await vi.advanceTimersByTimeAsync(400)
  expect(isStopped).toBe(false)
  await vi.advanceTimersByTimeAsync(100)
  await stopping
  repeated.wake()
  await vi.advanceTimersByTimeAsync(10_000)
  expect(begun).toHaveLength(4)
})

test('a failure ends nothing, and is told once for as long as it is the same', async () => {
  const failures = ['disk', 'disk', undefined, 'disk', 'cable']
  const repeated = repeat('work', 1_000, log, async () => {
    const failure = failures.shift()
    if (failure !== undefined) throw new Error(failure)
  })
  await vi.advanceTimersByTimeAsync(10_000)
  expect(warned).toEqual(['work-failed disk', 'work-failed disk', 'work-failed cable'])
  await repeated.stop()
})
