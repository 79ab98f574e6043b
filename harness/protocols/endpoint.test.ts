import { expect, test } from 'vitest'
import { patience } from './endpoint.ts'

test('a far end is waited for as long as the endpoint says, and as much longer as it is slow', () => {
  expect(patience({})).toBe(30_000)
  expect(patience({ slowness: 6 })).toBe(180_000)
  expect(patience({ timeoutMs: 500, slowness: 6 })).toBe(3_000)
})

test('what takes a while of its own takes that, whatever the endpoint says of each step', () => {
  expect(patience({ timeoutMs: 500 }, 2_000)).toBe(2_000)
  expect(patience({ slowness: 6 }, 2_000)).toBe(12_000)
})
