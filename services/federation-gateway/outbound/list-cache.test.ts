import { describe, expect, test } from 'vitest'
import { type CachedQuery, ListCache, outCache } from './list-cache.ts'

const query: CachedQuery = {
  ...{ peerId: 'peer', ownerId: 'alice', grantId: 'grant', resource: 'tasks', queryHash: 'hash', cursor: undefined },
}
const at = (epoch: number, grantId = 'grant') => ({ grantId, epoch })

function cacheAt(start = 0, limits = { seconds: 30, bytes: 10_000 }) {
  const clock = { now: start }
  return { clock, cache: new ListCache(limits, () => clock.now) }
}

describe('a cached list', () => {
  test('is served when the lender has confirmed its grant at its epoch in this request', () => {
    const { cache } = cacheAt()
    cache.keep(query, 7, 'rows')
    expect(cache.epochOf(query)).toBe(7)
    expect(cache.take(query, at(7))).toBe('rows')
    expect(cache.take(query, at(7))).toBe('rows')
  })

  test('is not kept where there is no room for any', () => {
    const { cache } = cacheAt(0, { seconds: 30, bytes: 0 })
    cache.keep(query, 7, '')
    expect([cache.epochOf(query), cache.bytes]).toEqual([undefined, 0])
  })

  test('is not served without that, and stays', () => {
    const { cache } = cacheAt()
    cache.keep(query, 7, 'rows')
    expect(cache.take(query, undefined)).toBeUndefined()
    expect(cache.take(query, at(7))).toBe('rows')
  })

  test.each([
    ['an earlier epoch', at(6)],
    ['a later epoch', at(8)],
    ['another grant', at(7, 'other')],
  ])('is flushed with all of its peer at %s', (_, confirmation) => {
    const { cache } = cacheAt()
    const [second, ofOther] = [
      { ...query, resource: 'notes' },
      { ...query, peerId: 'other' },
    ]
    for (const each of [query, second, ofOther]) cache.keep(each, 7, 'rows')
    expect(cache.take(query, confirmation)).toBeUndefined()
    expect([query, second, ofOther].map((each) => cache.epochOf(each))).toEqual([undefined, undefined, 7])
  })

  test.each<[string, Partial<CachedQuery>]>([
    ['peer', { peerId: 'x' }],
    ['owner', { ownerId: 'x' }],
    ['grant', { grantId: 'x' }],
    ['resource', { resource: 'x' }],
    ['query', { queryHash: 'x' }],
    ['page', { cursor: 'x' }],
  ])('is not that of another %s', (_, change) => {
    const { cache } = cacheAt()
    cache.keep(query, 7, 'rows')
    expect(cache.epochOf({ ...query, ...change })).toBeUndefined()
    expect(cache.take({ ...query, ...change }, at(7, change.grantId ?? 'grant'))).toBeUndefined()
  })

  test('cannot be reached by names that run into each other', () => {
    const { cache } = cacheAt()
    cache.keep({ ...query, peerId: 'a","b', ownerId: 'c' }, 7, 'rows')
    expect(cache.epochOf({ ...query, peerId: 'a', ownerId: 'b","c' })).toBeUndefined()
  })

  test('lives for thirty seconds', () => {
    const { cache, clock } = cacheAt(1000)
    cache.keep(query, 7, 'rows')
    clock.now += 30_000
    expect(cache.take(query, at(7))).toBe('rows')
    clock.now += 1
    expect(cache.take(query, at(7))).toBeUndefined()
    expect(cache.epochOf(query)).toBeUndefined()
  })

  test('does not live longer by being asked for', () => {
    const { cache, clock } = cacheAt(1000)
    cache.keep(query, 7, 'rows')
    for (let asked = 0; asked < 4; asked += 1) {
      clock.now += 10_000
      cache.take(query, at(7))
    }
    expect(cache.epochOf(query)).toBeUndefined()
  })

  test('is replaced by a newer one', () => {
    const { cache } = cacheAt()
    cache.keep(query, 7, 'rows')
    cache.keep(query, 8, 'others')
    expect(cache.take(query, at(8))).toBe('others')
    cache.flush('peer')
    expect(cache.epochOf(query)).toBeUndefined()
  })
})

test('flushing a peer leaves nothing of it, and all of the others', () => {
  const { cache } = cacheAt()
  cache.keep(query, 1, 'rows')
  cache.keep({ ...query, ownerId: 'bob' }, 1, 'rows')
  cache.keep({ ...query, peerId: 'other' }, 1, 'rows')
  cache.flush('peer')
  cache.flush('nobody')
  expect(cache.epochOf(query)).toBeUndefined()
  expect(cache.epochOf({ ...query, ownerId: 'bob' })).toBeUndefined()
  expect(cache.take({ ...query, peerId: 'other' }, at(1))).toBe('rows')
})

test('the cache never holds more than its bytes, counted as UTF-8; the oldest goes first', () => {
  const { cache } = cacheAt(0, { seconds: 30, bytes: 2000 })
  for (let page = 0; page < 50; page += 1) {
    cache.keep({ ...query, cursor: String(page) }, 1, '€'.repeat(100))
    expect(cache.bytes).toBeLessThanOrEqual(2000)
  }
  const held = Array.from({ length: 50 }, (_, page) => cache.epochOf({ ...query, cursor: String(page) })).filter(
    Boolean,
  )
  // Each has 300 bytes in 100 characters, and its key.
  expect([held.length > 1, held.length < 7]).toEqual([true, true])
  expect(cache.epochOf({ ...query, cursor: '0' })).toBeUndefined()
  expect(cache.epochOf({ ...query, cursor: '49' })).toBe(1)
  cache.keep({ ...query, cursor: 'large' }, 1, 'x'.repeat(3000))
  expect(cache.epochOf({ ...query, cursor: 'large' })).toBeUndefined()
  expect(cache.epochOf({ ...query, cursor: '49' })).toBe(1)
})

test('out.cache: the word of the lender is about this grant, at this epoch', () => {
  const hit = { grantId: 'grant', epoch: 7 }
  expect(outCache.check({ ...hit, confirmation: at(7) })).toBeUndefined()
  for (const confirmation of [undefined, at(6), at(8), at(7, 'other')]) {
    expect(outCache.check({ ...hit, confirmation })).toEqual({ reason: 'cache_unconfirmed', status: null })
  }
})
