import { expect, test } from 'vitest'
import { apiRate, countFailure, enrRate, RateLimit, rateGrant, rateLeaf } from './rate-limits.ts'

function clocked() {
  let now = 0
  const limit = new RateLimit(() => now)
  return {
    limit,
    pass: (ms: number) => {
      now += ms
    },
  }
}

test('so many are allowed in 60 s from the first, and one more is told when', () => {
  const { limit, pass } = clocked()
  pass(7_000)
  expect([1, 2, 3].map(() => limit.take('a', 3))).toEqual([undefined, undefined, undefined])
  pass(20_500)
  expect(limit.take('a', 3)).toBe(40)
  pass(39_499)
  expect(limit.take('a', 3)).toBe(1)
  pass(1)
  expect(limit.take('a', 3)).toBeUndefined()
})

test('one that was refused does not count', () => {
  const { limit, pass } = clocked()
  expect([limit.take('a', 1), limit.take('a', 1), limit.take('a', 2), limit.take('a', 2)]).toEqual([
    undefined,
    60,
    undefined,
    60,
  ])
  pass(60_000)
  expect(limit.take('a', 1)).toBeUndefined()
})

test('a key has its own, and leaves no trace once its time is over', () => {
  const { limit, pass } = clocked()
  for (let one = 0; one < 1_000; one += 1) {
    expect(limit.take(`key ${one}`, 1)).toBeUndefined()
    pass(1)
  }
  expect(limit.size).toBe(1_000)
  pass(59_500)
  expect(limit.take('key 999', 1)).toBe(1)
  expect(limit.size).toBe(499)
  pass(60_000)
  limit.count('another')
  expect(limit.size).toBe(1)
})

test.each([
  [rateLeaf, 'rate_leaf'],
  [rateGrant, 'rate_grant'],
])('%o refuses one too many', (guard, reason) => {
  const counted = { limit: clocked().limit, key: 'a', most: 1 }
  expect(guard.check(counted)).toBeUndefined()
  expect(guard.check(counted)).toEqual({ reason, status: 429, error: 'rate_limited', retryAfter: 60 })
  expect(guard.check({ ...counted, key: 'b' })).toBeUndefined()
})

test('enrolments are counted by address and all together, and those of which one address has too many are not for all', () => {
  const counted = { limit: clocked().limit, most: { perAddress: 2, all: 3 } }
  const verdicts = ['1', '1', '1', '1', '2', '2'].map((address) => enrRate.check({ ...counted, address }))
  const refusal = { reason: 'rate_enrolment', status: 429, error: 'rate_limited', retryAfter: 60 }
  expect(verdicts).toEqual([undefined, undefined, refusal, refusal, undefined, refusal])
})

test('of bearer tokens failures alone count', () => {
  const { limit, pass } = clocked()
  const counted = { limit, address: '192.0.2.1', most: 2 }
  for (let tries = 0; tries < 5; tries += 1) expect(apiRate.check(counted)).toBeUndefined()
  countFailure(counted)
  expect(apiRate.check(counted)).toBeUndefined()
  countFailure(counted)
  expect(apiRate.check(counted)).toMatchObject({ reason: 'rate_authentication', status: 429, retryAfter: 60 })
  expect(apiRate.check({ ...counted, address: '192.0.2.2' })).toBeUndefined()
  pass(60_000)
  expect(apiRate.check(counted)).toBeUndefined()
})

test('whoever has a network of IPv6 has no more for having its addresses', () => {
  const addresses = ['2001:db8::1', '2001:db8::ffff:2', '2001:db8:0:0:1::', '2001:db8:0:1::1']
  const enrolments = { limit: clocked().limit, most: { perAddress: 2, all: 9 } }
  const enrolled = addresses.map((address) => enrRate.check({ ...enrolments, address }))
  expect(enrolled).toEqual([undefined, undefined, expect.objectContaining({ reason: 'rate_enrolment' }), undefined])

  const failures = { limit: clocked().limit, most: 2 }
  const failed = addresses.map((address) => {
    const verdict = apiRate.check({ ...failures, address })
    countFailure({ ...failures, address })
    return verdict
  })
  expect(failed).toEqual([undefined, undefined, expect.objectContaining({ reason: 'rate_authentication' }), undefined])
})
