import { expect, test } from 'vitest'
import { OfflineEpisodes } from './offline.ts'

const T0 = '2026-01-31T09:00:00.000Z'

function episodes() {
  const clock = { now: Date.parse(T0) }
  return { clock, it: new OfflineEpisodes(() => clock.now) }
}

test('an episode is logged once when it begins and once when it ends', () => {
  const { it, clock } = episodes()
  expect(it.reached('b')).toBeUndefined()
  expect(it.failed('b')).toEqual({ event: 'peer.offline', peerId: 'b', since: T0 })
  clock.now += 1000
  expect(it.failed('b')).toBeUndefined()
  expect(it.reached('b')).toEqual({ event: 'peer.online', peerId: 'b', since: T0 })
  expect(it.reached('b')).toBeUndefined()
  expect(it.failed('b')).toMatchObject({ event: 'peer.offline', since: '2026-01-31T09:00:01.000Z' })
})

test('each session sees one notice for each episode and source', () => {
  const { it } = episodes()
  expect(it.noticeFor('s1', 'b', 'federated:b')).toBeUndefined()
  it.failed('b')
  const notice = { code: 'peer_offline', source: 'federated:b', since: T0 }
  expect(it.noticeFor('s1', 'b', 'federated:b')).toEqual(notice)
  expect(it.noticeFor('s1', 'b', 'federated:b')).toBeUndefined()
  it.failed('b')
  expect(it.noticeFor('s1', 'b', 'federated:b')).toBeUndefined()
  expect(it.noticeFor('s2', 'b', 'federated:b')).toEqual(notice)
  expect(it.noticeFor('s1', 'c', 'federated:c')).toBeUndefined()
  it.reached('b')
  expect(it.noticeFor('s3', 'b', 'federated:b')).toBeUndefined()
  it.failed('b')
  expect(it.noticeFor('s1', 'b', 'federated:b')).toEqual(notice)
})

test('a peer that was removed has neither an end nor a notice', () => {
  const { it } = episodes()
  it.failed('b')
  it.removed('b')
  expect([it.noticeFor('s', 'b', 'federated:b'), it.reached('b')]).toEqual([undefined, undefined])
})
