import { expect, test } from 'vitest'
import { FAILURE_RATE, FailureLimit } from './flood.ts'

function limit(most?: number) {
  let now = 0
  const failures = new FailureLimit({ ...FAILURE_RATE, most }, () => now)
  return {
    failures,
    pass(ms: number) {
      now += ms
    },
    /** Of so many failures at once, those that are counted. */
    many: (address: string, count: number) =>
      Array.from({ length: count }, () => failures.count(address)).filter(Boolean).length,
  }
}

test('a hundred at once, and then twenty in each second', () => {
  const { many, pass } = limit()
  expect(many('192.0.2.1', 1_000)).toBe(100)
  pass(49)
  expect(many('192.0.2.1', 10)).toBe(0)
  pass(1)
  expect(many('192.0.2.1', 10)).toBe(1)
  pass(1_000)
  expect(many('192.0.2.1', 1_000)).toBe(20)
  pass(5_000)
  expect(many('192.0.2.1', 1_000)).toBe(100)
})

test('what is refused for it costs nothing more: whoever goes on is let fail again as soon as anybody', () => {
  const { many, pass } = limit()
  many('192.0.2.1', 100_000)
  pass(50)
  expect(many('192.0.2.1', 2)).toBe(1)
})

test('each address has its own, of IPv6 each network', () => {
  const { many } = limit()
  expect(many('192.0.2.1', 200)).toBe(100)
  expect(many('192.0.2.2', 200)).toBe(100)
  expect(many('::ffff:192.0.2.2', 200)).toBe(0)
  expect(many('2001:db8::1', 200)).toBe(100)
  expect(many('2001:db8::2', 200)).toBe(0)
  expect(many('2001:db8:0:1::1', 200)).toBe(100)
})

test('those that may fail again as often as anybody are forgotten, and of the others no more are kept than fit', () => {
  const { failures, many, pass } = limit(10)
  for (let at = 1; at <= 9; at += 1) many(`192.0.2.${at}`, 1)
  expect(failures.size).toBe(9)
  pass(50)
  many('198.51.100.1', 200)
  expect(failures.size).toBe(1)
  for (let at = 1; at <= 100; at += 1) many(`192.0.2.${at}`, 2)
  expect(failures.size).toBe(10)
})
