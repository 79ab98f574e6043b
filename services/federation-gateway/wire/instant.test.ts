import fc from 'fast-check'
import { expect, test } from 'vitest'
import { instantOf, isInstant } from './instant.ts'

test.each([
  ['2026-01-31T09:00:00Z', '2026-01-31T09:00:00.000000Z'],
  ['2026-01-31T09:00:00.5Z', '2026-01-31T09:00:00.500000Z'],
  ['2026-01-31T09:00:00.123456+02:30', '2026-01-31T06:30:00.123456Z'],
  ['2026-01-31T23:30:00-23:59', '2026-02-01T23:29:00.000000Z'],
  ['2024-02-29T00:00:00Z', '2024-02-29T00:00:00.000000Z'],
  ['9999-12-31T23:59:59.999999Z', '9999-12-31T23:59:59.999999Z'],
])('%s is %s', (text, instant) => {
  expect(instantOf(text)).toBe(instant)
  expect(isInstant(instant)).toBe(true)
  expect(isInstant(text)).toBe(text === instant)
})

test.each([
  ...['', 'now', '2026-01-31', '2026-01-31T09:00:00', '2026-01-31 09:00:00Z', '2026-1-31T09:00:00Z'],
  ...['2026-02-30T09:00:00Z', '2025-02-29T00:00:00Z', '2026-13-01T00:00:00Z', '2026-01-31T24:00:00Z'],
  ...['2026-01-31T23:59:60Z', '2026-01-31T09:00:00.1234567Z', '2026-01-31T09:00:00+24:00', '2026-01-31T09:00:00+01'],
  ...['0000-06-01T00:00:00Z', '0001-01-01T00:00:00+01:00', '9999-12-31T23:59:59-00:01', '2026-01-31T09:00:00Z\n'],
  ...["2026-01-31T09:00:00Z' OR 1=1", 'infinity', '+12026-01-31T09:00:00Z'],
])('%j is no moment', (text) => {
  expect(instantOf(text)).toBeUndefined()
})

test('moments compare as texts, to the microsecond', () => {
  const micros = fc.bigInt({ min: 0n, max: 4_000_000_000_000_000n })
  const text = (at: bigint) =>
    `${new Date(Number(at / 1_000_000n) * 1000).toISOString().slice(0, 19)}.${String(at % 1_000_000n).padStart(6, '0')}Z`
  fc.assert(
    fc.property(micros, micros, (one, other) => {
      const [a, b] = [instantOf(text(one))!, instantOf(text(other))!]
      expect(a < b).toBe(one < other)
      expect(a === b).toBe(one === other)
    }),
  )
})
