import { beforeEach, expect, test, vi } from 'vitest'
import { GRANT } from '../testing/certificates.ts'
import { PEER_ID, ROW_ID, TENANT } from '../testing/federation.ts'
import { Lender } from './lender.ts'
import { ListCache } from './list-cache.ts'
import { OfflineEpisodes } from './offline.ts'
import { type Asked, FederationClientError } from './peer-client.ts'

let now: number
let sent: string[]
let events: string[]
let met: unknown[]
let epoch: number
let failure: FederationClientError | undefined
let isListed: boolean
let looking: Promise<void>
let revoked: number
let cache: ListCache
let lender: Lender

const error = (reason: string, about: { isReset?: boolean; peerStatus?: number } = {}) =>
  new FederationClientError('out.server', { reason, status: 503 }, about)
const row = () => ({
  id: ROW_ID,
  text: `at ${epoch}`,
  createdAt: '2026-01-31T09:00:00.000001Z',
  _source: 'federated:b.example',
})

beforeEach(() => {
  now = 1
  sent = []
  events = []
  met = []
  epoch = 7
  failure = undefined
  isListed = false
  looking = Promise.resolve()
  revoked = 0
  cache = new ListCache({ seconds: 30, bytes: 1_000_000 }, () => now)
  const answer = <Value>(what: string, value: Value): Promise<Value> => {
    sent.push(what)
    return failure === undefined ? Promise.resolve(value) : Promise.reject(failure)
  }
  const say = (event: string) => void events.push(event)
  lender = new Lender({
    ...{
      peerId: PEER_ID,
      ownerId: TENANT,
      grantId: GRANT,
      cache,
      episodes: new OfflineEpisodes(),
      log: { info: say, warn: say },
    },
    client: {
      list: ((_: string, __: object, asked: Asked) => {
        met.push(asked.met)
        const flags = { _truncated: false, _partial: false, isCut: false }
        return answer('list', { items: [row()], nextCursor: null, ...flags })
      }) as never,
      get: (() => answer('get', { item: row(), isCut: false })) as never,
      search: () => answer('search', { items: [], _truncated: false, _partial: false, isCut: false }),
      standing: (known) =>
        answer(`standing ${known}`, known === epoch ? { epoch } : { epoch, capabilities: undefined as never }),
      renew: () => answer('renew', { certPem: 'c', certChainPem: 'c', serial: 'ab', notAfter: '' }),
    },
    isRevoked: () => looking.then(() => isListed),
    onRevoked: async () => {
      revoked += 1
    },
  })
})

const list = () => lender.list('memory', { limit: 5 })

test('the second list comes from memory, once the peer has said that it may', async () => {
  const first = await list()
  const second = await list()
  expect([first.isCached, second.isCached]).toEqual([false, true])
  expect(second).toEqual({ ...first, isCached: true })
  expect(sent).toEqual(['standing undefined', 'list', 'standing 7'])
  now += 31_000
  expect((await list()).isCached).toBe(false)
  expect(sent.slice(3)).toEqual(['list'])
})

test('another query, another page and another verb are asked', async () => {
  await list()
  sent.length = 0
  for (const query of [{ limit: 6 }, { limit: 5, cursor: 'c' }, { limit: 5, filter: {} }]) {
    expect((await lender.list('memory', query)).isCached).toBe(false)
  }
  await lender.get('memory', ROW_ID)
  await lender.get('memory', ROW_ID)
  await lender.search({ q: 'x', limit: 5 })
  await lender.search({ q: 'x', limit: 5 })
  expect(sent).toEqual(['list', 'list', 'list', 'get', 'get', 'search', 'search'])
})

test('what was kept at another epoch is asked for again', async () => {
  await list()
  epoch = 8
  const next = await list()
  expect([next.isCached, next.items[0]]).toMatchObject([false, { text: 'at 8' }])
  expect(sent.slice(2)).toEqual(['standing 7', 'list'])
  expect(met).toEqual([undefined, { guard: 'out.cache', reason: 'cache_unconfirmed' }])
  expect(await list()).toMatchObject({ isCached: true, items: [{ text: 'at 8' }] })
})

test.each([
  ['that refuses', error('peer_refused', { peerStatus: 403 })],
  ['that knows us no more', error('peer_answered_error', { peerStatus: 401 })],
  ['that turns us away', error('peer_unreachable', { isReset: true })],
  ['that is somebody else', error('peer_tls_untrusted')],
])('nothing of a peer %s is kept', async (_, refusal) => {
  await list()
  failure = refusal
  await expect(list()).rejects.toBe(refusal)
  expect(cache.bytes).toBe(0)
  failure = undefined
  expect((await list()).isCached).toBe(false)
})

test('without its word nothing kept is served, and it stays for when there is one', async () => {
  await list()
  failure = error('peer_timeout')
  await expect(list()).rejects.toMatchObject({ code: 'peer_timeout' })
  failure = undefined
  expect((await list()).isCached).toBe(true)
})

test('a peer is away from the first failure to the next answer, and each is told once', async () => {
  const fail = async (with_: FederationClientError) => {
    failure = with_
    await expect(list()).rejects.toBe(with_)
  }
  await fail(error('call_abandoned'))
  await fail(error('circuit_open'))
  expect(events).toEqual([])
  await fail(error('peer_timeout'))
  await fail(error('peer_answer_invalid'))
  expect(events).toEqual(['peer.offline'])
  await fail(error('peer_refused', { peerStatus: 403 }))
  expect(events).toEqual(['peer.offline', 'peer.online'])
  failure = undefined
  await list()
  expect(events).toHaveLength(2)
})

test('it is revoked by a signed list alone, and only what looks like being turned away makes anybody look', async () => {
  isListed = true
  for (const [with_, times] of [
    [error('peer_timeout'), 0],
    [error('peer_refused', { peerStatus: 403 }), 0],
    [error('peer_unreachable'), 0],
    [error('peer_unreachable', { isReset: true }), 1],
  ] as const) {
    failure = with_
    await expect(list()).rejects.toBe(with_)
    expect(revoked).toBe(times)
  }
  isListed = false
  await expect(list()).rejects.toThrow()
  expect(revoked).toBe(1)
})

test('nobody waits for longer than it may to hear whether it is revoked, and it is revoked all the same', async () => {
  let found = () => {}
  looking = new Promise((resolve) => {
    found = resolve
  })
  isListed = true
  failure = error('peer_unreachable', { isReset: true })
  await expect(lender.list('memory', { limit: 5 }, { until: performance.now() + 20 })).rejects.toBe(failure)
  expect(revoked).toBe(0)
  found()
  await vi.waitFor(() => expect(revoked).toBe(1))
})

test('one that is removed is forgotten', async () => {
  await list()
  lender.forget()
  expect([cache.bytes, (await list()).isCached]).toEqual([0, false])
})
