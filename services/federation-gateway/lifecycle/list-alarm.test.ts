import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { watchLists } from './list-alarm.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

test('what is wrong with the lists is told once, and that it is over once', async () => {
  const told: string[] = []
  const tell = (event: string, { reason = '' }: { reason?: string } = {}) => void told.push(`${event} ${reason}`.trim())
  const keeper: { problem: 'crl_missing' | 'crl_stale' | undefined } = { problem: undefined }
  const watching = watchLists(keeper, { info: tell, warn: tell, error: tell })
  for (const problem of [undefined, 'crl_stale', 'crl_stale', 'crl_missing', undefined, undefined] as const) {
    keeper.problem = problem
    await vi.advanceTimersByTimeAsync(1_000)
  }
  expect(told).toEqual(['crl-unusable crl_stale', 'crl-unusable crl_missing', 'crl-good'])
  await watching.stop()
})
