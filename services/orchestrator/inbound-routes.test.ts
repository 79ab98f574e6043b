import type { X509Certificate } from 'node:crypto'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { WebSocket } from 'ws'
import type { DecisionLog } from '../shared/decision-log.ts'
import { thumbprint } from '../shared/peer-certificate.ts'
import type { TlsMaterial } from '../shared/tls-material.ts'
import type { UpgradeContext } from './call-context.ts'
import type { FilePeer, PeeringConfiguration } from './config.ts'
import { InboundSessions } from './inbound-sessions.ts'
import { Peers } from './peers.ts'
import { RouteTable } from './routes.ts'
import type { Store } from './store.ts'
import { FakeSocket } from './testing/fake-socket.ts'

// What becomes of the routes that a peer announced: here stand the table and the sessions, without a network, on a clock that is set.

const SECOND = 1_000

let routes: RouteTable
let peers: Peers
let inbound: InboundSessions
let recorded: Record<string, unknown>[]

beforeEach(() => {
  vi.useFakeTimers()
  routes = new RouteTable()
  recorded = []
  const store = { peers: () => [], deletePeer() {}, putPeer() {} } as unknown as Store
  const configuration = { peering: { peers: [peer('node-b'), peer('node-c')] }, trustDomain: { name: 'org-b' } }
  peers = new Peers(store, configuration as unknown as PeeringConfiguration)
  inbound = new InboundSessions({
    node: 'node-a',
    holdTimeMs: 90 * SECOND,
    peers,
    routes,
    decisions: {
      record: (decision: unknown) => recorded.push(decision as never),
      close() {},
    } as unknown as DecisionLog,
    log: { info() {}, warn() {}, error() {} } as never,
    material: () => ({ anchors: new Map([['org-b', [anchor]]]) }) as unknown as TlsMaterial,
    onEstablished() {},
  })
})

afterEach(() => {
  inbound.close()
  vi.useRealTimers()
})

function peer(name: string, change: Partial<FilePeer> = {}): FilePeer {
  const record = { name, endpoint: `wss://${name}.test:9443`, domains: ['b.test', 'c.test'], peerToken: 'its token' }
  return { ...record, enabled: true, ...change }
}

const anchor = { raw: Buffer.from('root') } as X509Certificate

interface Admission {
  sub?: string
  trusted?: string[]
  /** Seconds. */
  certificateLasts?: number
  tokenLasts?: number
  /** What the auth server says of the key, or that it says nothing. */
  publishes?: () => Promise<boolean | undefined>
  isOpened?: boolean
}

/** A session that every guard of the upgrade has let in, and that its peer opens at once. */
function admitted(admission: Admission = {}): FakeSocket {
  const { sub = 'node-b', trusted = ['b.test'], certificateLasts = 600, tokenLasts = 600 } = admission
  const publishes = admission.publishes ?? (async () => true)
  const exp = Math.floor(Date.now() / SECOND) + tokenLasts
  const claims = { sub, scope: 'peer:connect peer:announce', trusted_domains: trusted, exp, jti: crypto.randomUUID() }
  const notAfter = new Date(Date.now() + certificateLasts * SECOND)
  const certificate = { x5t: 'x', sans: [`${sub}.test`], notAfter, domain: 'org-b', anchor: thumbprint(anchor) }
  const context = {
    policy: { mode: 'jwks', clockSkewSeconds: 0, now: Date.now, keys: { publishes } },
    decoded: { header: {}, payload: claims },
    token: 'e30.e30.sig',
    claims,
    connection: { conn: '127.0.0.1:1', listener: 'peering', certificate },
  }
  const socket = new FakeSocket()
  inbound.admit(socket as unknown as WebSocket, context as unknown as UpgradeContext)
  if (admission.isOpened !== false) socket.open(sub)
  return socket
}

function announced(name: string, change: Record<string, unknown> = {}): Record<string, unknown> {
  const route = { op: 'announce', domain: 'b.test', name, protocol: 'http', endpoint: 'https://b.test/' }
  return { ...route, path: ['node-b'], ...change }
}

/** Names and states of what a peer has in the table. */
function known(name = 'node-b'): string[] {
  return routes.list().flatMap(({ route }) => (route.peer === name ? [`${route.name} ${route.state}`] : []))
}

/** A peer with one route in the table, beside another peer with one that nothing here may touch. */
function withRoute(admission: Admission = {}): FakeSocket {
  const other = admitted({ sub: 'node-c', trusted: ['c.test'] })
  other.update([announced('other', { domain: 'c.test', path: ['node-c'] })], true)
  const socket = admitted(admission)
  socket.update([announced('orders')], true)
  expect(known()).toEqual(['orders learned'])
  return socket
}

const lastRefusal = () => recorded.at(-1)

test.each<[number, string, (socket: FakeSocket) => void, { guard: string; reason: string }]>([
  [
    4400,
    'a message that it may not send',
    (socket) => socket.say({ type: 'keepalive', seq: 7 }),
    { guard: 'msg.form', reason: 'message_out_of_order' },
  ],
  [
    4403,
    'a route of somebody else',
    (socket) => socket.update([announced('stolen', { path: ['node-c'] })]),
    { guard: 'route.origin', reason: 'route_origin_mismatch' },
  ],
  [
    4413,
    'an entry that is too large',
    (socket) => socket.update([announced('large', { endpoint: 'x'.repeat(2_049) })]),
    { guard: 'route.limit', reason: 'route_limit' },
  ],
])(
  '%i for %s: what the peer had announced is withdrawn, and nothing of that message comes',
  (code, _, act, refusal) => {
    const socket = withRoute()
    socket.keepalive()
    expect(socket.closes).toEqual([])

    act(socket)
    expect(socket.closes).toEqual([code])
    expect(known()).toEqual([])
    expect(known('node-c')).toEqual(['other learned'])
    expect(lastRefusal()).toMatchObject({ verdict: 'refused', layer: 'session', ...refusal })
  },
)

test.each<[number, string, Admission, number, number, string]>([
  [4401, 'the token', { tokenLasts: 20 }, 20, 1, 'token_ended'],
  [4412, 'the certificate', { certificateLasts: 20 }, 20, 1, 'certificate_ended'],
  [4503, 'the last word of the auth server', { publishes: silentAfter(3) }, 14, 29, 'auth_unavailable'],
])('%i: what the peer had announced is withdrawn in its bound after %s ends', async (...row) => {
  const [code, , admission, endsAfter, within, reason] = row
  const socket = withRoute(admission)
  await vi.advanceTimersByTimeAsync((endsAfter - 1) * SECOND)
  expect([socket.closes, known()]).toEqual([[], ['orders learned']])

  await vi.advanceTimersByTimeAsync((1 + within) * SECOND)
  expect(socket.closes).toEqual([code])
  expect(known()).toEqual([])
  expect(known('node-c')).toEqual(['other learned'])
  expect(lastRefusal()).toMatchObject({ guard: 'live.recheck', reason, error: reason })
})

/** An auth server that answers so many questions, and none after them. */
function silentAfter(answers: number): () => Promise<boolean | undefined> {
  let asked = 0
  return async () => {
    asked += 1
    return asked <= answers ? true : undefined
  }
}

test.each<[string, () => void]>([
  ['removed', () => void peers.remove('node-b')],
  ['switched off', () => peers.replace(peer('node-b', { enabled: false }))],
])('4410: a live peer that is %s is ended at once, and its routes are withdrawn', (_, change) => {
  const socket = withRoute()
  change()
  expect(socket.closes).toEqual([4410])
  expect(socket.sent.at(-1)).toEqual({ type: 'close', code: 'peer_removed' })
  expect(known()).toEqual([])
  expect(known('node-c')).toEqual(['other learned'])
})

test.each<[string, (socket: FakeSocket) => void]>([
  ['1001, said by the peer', (socket) => socket.leave('shutdown', 1001)],
  ['1006, the transport gone without a word', (socket) => void socket.emit('close', 1006)],
])('%s: its routes are stale until the hold time, and then withdrawn', async (_, act) => {
  const socket = withRoute()
  act(socket)
  expect(known()).toEqual(['orders stale'])

  await vi.advanceTimersByTimeAsync(89 * SECOND)
  expect(known()).toEqual(['orders stale'])
  await vi.advanceTimersByTimeAsync(1 * SECOND)
  expect(known()).toEqual([])
})

test.each([
  ['too_large', 1009],
  ['protocol_error', 4400],
  ['token_ended', 4401],
  ['forbidden', 4403],
  ['hold_expired', 4408],
  ['peer_removed', 4410],
  ['certificate_ended', 4412],
  ['limit', 4413],
  ['auth_unavailable', 4503],
])('%s (%i), said by the peer of its own session: its routes are withdrawn', (code, status) => {
  withRoute().leave(code, status)
  expect(known()).toEqual([])
  expect(known('node-c')).toEqual(['other learned'])
})

const many = (count: number, from = 0) => Array.from({ length: count }, (_, at) => announced(`r-${from + at}`))

test('ten thousand routes of a peer are taken, and one more is the end of its session and of them all', () => {
  const socket = withRoute()
  socket.update([{ op: 'withdraw', domain: 'b.test', name: 'orders' }])
  for (let batch = 0; batch < 10; batch += 1) socket.update(many(1_000, batch * 1_000))
  // What is there already is no route more, and one that goes makes room for another.
  socket.update(many(1_000))
  socket.update([{ op: 'withdraw', domain: 'b.test', name: 'r-7' }, announced('r-10000')])
  expect(socket.closes).toEqual([])
  expect(routes.count('node-b')).toBe(10_000)

  socket.update([announced('r-10001')])
  expect(socket.closes).toEqual([4413])
  expect(socket.sent.at(-1)).toEqual({ type: 'close', code: 'limit' })
  expect(lastRefusal()).toMatchObject({ guard: 'route.limit', reason: 'route_limit', error: 'limit' })
  expect(routes.count('node-b')).toBe(0)
  expect(known('node-c')).toEqual(['other learned'])
})

test('a path of 64 nodes is taken, one of 65 ends the session', () => {
  const socket = withRoute()
  const path = (hops: number) => ['node-b', ...Array.from({ length: hops - 1 }, (_, hop) => `n-${hop}`)]
  socket.update([announced('far', { path: path(64) })])
  expect([socket.closes, known()]).toEqual([[], ['far learned', 'orders learned']])

  socket.update([announced('farther', { path: path(65) })])
  expect(socket.closes).toEqual([4413])
  expect(lastRefusal()).toMatchObject({ guard: 'route.limit', reason: 'route_limit' })
  expect(known()).toEqual([])
})

test('an update of a thousand entries is taken, one of 1 001 ends the session', () => {
  const socket = withRoute()
  socket.update(many(1_000))
  expect([socket.closes, known().length]).toEqual([[], 1_001])

  socket.update(many(1_001))
  expect(socket.closes).toEqual([4400])
  expect(lastRefusal()).toMatchObject({ guard: 'msg.form', reason: 'message_malformed', error: 'protocol_error' })
  expect(known()).toEqual([])
})

test('announced anew under a token for fewer domains, an installed route is withdrawn and counted', async () => {
  const wide = withRoute({ trusted: ['b.test', 'c.test'] })
  wide.update([announced('outside', { domain: 'c.test' })])
  expect(known()).toEqual(['orders learned', 'outside learned'])

  const narrow = admitted({ trusted: ['b.test'] })
  expect(wide.closes).toEqual([4409])
  expect(known()).toEqual(['orders stale', 'outside stale'])
  narrow.update([announced('orders'), announced('outside', { domain: 'c.test' })])
  expect(known()).toEqual(['orders learned'])
  expect(lastRefusal()).toMatchObject({ guard: 'route.domain', reason: 'route_domain_refused', error: null })
  expect(inbound.state('node-b')).toMatchObject({ refused: 1 })
  expect(narrow.closes).toEqual([])
  // The peer is told.
  await vi.advanceTimersByTimeAsync(30 * SECOND)
  expect(narrow.sent.at(-1)).toMatchObject({ type: 'keepalive', refused: 1 })
})

test('a record for fewer domains withdraws what it no longer allows, and counts it when it is announced anew', () => {
  const socket = withRoute({ trusted: ['b.test', 'c.test'] })
  socket.update([announced('outside', { domain: 'c.test' })])
  expect(known()).toEqual(['orders learned', 'outside learned'])

  peers.replace(peer('node-b', { domains: ['b.test'] }))
  expect(known()).toEqual(['orders learned'])
  socket.update([announced('outside', { domain: 'c.test' }), announced('more')])
  expect(known()).toEqual(['more learned', 'orders learned'])
  expect(lastRefusal()).toMatchObject({ guard: 'route.domain', reason: 'route_domain_refused' })
  expect(inbound.state('node-b')).toMatchObject({ refused: 1 })
  expect(socket.closes).toEqual([])
})

test('a session that its peer does not open within 5 s is ended on record, and the one before it stays with its routes', async () => {
  const socket = withRoute()
  const silent = admitted({ isOpened: false })
  await vi.advanceTimersByTimeAsync(4_999)
  expect(silent.closes).toEqual([])

  await vi.advanceTimersByTimeAsync(1)
  expect(silent.closes).toEqual([4400])
  expect(silent.sent.at(-1)).toEqual({ type: 'close', code: 'protocol_error' })
  const refusal = { guard: 'msg.form', reason: 'message_out_of_order', error: 'protocol_error', layer: 'session' }
  expect(recorded).toMatchObject([refusal])
  expect([socket.closes, known()]).toEqual([[], ['orders learned']])
})
