import type { X509Certificate } from 'node:crypto'
import { EventEmitter } from 'node:events'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { WebSocket } from 'ws'
import { DialFailed, dial } from './dial.ts'
import { Dialers } from './dialers.ts'
import { type DialerOptions, PeerDialer } from './peer-dialer.ts'
import type { PeerTokens } from './peer-tokens.ts'
import type { Peer, PeerChange, Peers } from './peers.ts'
import { RouteTable } from './routes.ts'

vi.mock('./dial.ts', async (original) => ({ ...(await original<typeof import('./dial.ts')>()), dial: vi.fn() }))

/** The acceptor's end of one session is the test's. */
class FakeSocket extends EventEmitter {
  readonly sent: { type: string }[] = []

  send(text: string, done?: () => void): void {
    this.sent.push(JSON.parse(text) as { type: string })
    done?.()
  }

  close(): void {}
  terminate(): void {}

  open(): void {
    this.say({ type: 'open', version: 1, node: 'node-b', holdTimeMs: 90_000, session: crypto.randomUUID() })
  }

  end(code: string, status: number): void {
    this.say({ type: 'close', code })
    this.emit('close', status)
  }

  say(message: unknown): void {
    this.emit('message', Buffer.from(JSON.stringify(message)), false)
  }
}

let sockets: FakeSocket[]
let dialer: PeerDialer
let recorded: unknown[]
let routes: RouteTable
let options: DialerOptions
/** What the acceptor proves to be with. */
let proof: Pick<X509Certificate, 'validFromDate' | 'validToDate'>

const peer = { name: 'node-b', endpoint: 'wss://node-b.test:9443', trustDomain: 'org-b', enabled: true } as Peer

beforeEach(() => {
  vi.useFakeTimers()
  sockets = []
  recorded = []
  proof = proofOf(86_400_000)
  vi.mocked(dial).mockReset()
  vi.mocked(dial).mockImplementation(async (_, onOpen) => {
    const socket = new FakeSocket()
    sockets.push(socket)
    onOpen(socket as unknown as WebSocket, proof as X509Certificate)
  })
  routes = new RouteTable()
  options = {
    configuration: {
      node: 'node-a',
      peering: { session: { holdTimeMs: 90_000, reconnectInitialMs: 1_000, reconnectMaximumMs: 60_000 } },
    },
    tokens: { current: async () => ({ token: 'token', exp: 0, thumbprint: 'x' }) },
    certificates: { outbound: () => ({}) },
    routes,
    decisions: { record: (decision: unknown) => recorded.push(decision), close() {} },
    log: { info() {}, warn() {}, error() {} },
  } as unknown as DialerOptions
  dialer = new PeerDialer(peer, options)
})

afterEach(() => {
  dialer.stop('shutdown')
  vi.useRealTimers()
  vi.restoreAllMocks()
})

const proofOf = (lifeMs: number) => ({
  validFromDate: new Date(),
  validToDate: new Date(Date.now() + lifeMs),
})

const dialled = async (): Promise<FakeSocket> => {
  await vi.advanceTimersByTimeAsync(0)
  return sockets.at(-1) as FakeSocket
}

test('a session that is to replace another and never opens is dialled again; the other goes on meanwhile', async () => {
  dialer.wake()
  ;(await dialled()).open()
  dialer.wake()
  ;(await dialled()).emit('close', 1006)
  expect(dialer.state.state).toBe('connected')
  expect(sockets).toHaveLength(2)

  await vi.advanceTimersByTimeAsync(1_300)
  expect(sockets).toHaveLength(3)
  ;(await dialled()).open()
  await vi.advanceTimersByTimeAsync(60_000)
  expect(sockets).toHaveLength(3)
})

test('a session whose peer proved to be with a certificate that ends is replaced, and goes on until then', async () => {
  proof = proofOf(60_000)
  dialer.wake()
  const session = await dialled()
  session.open()
  await vi.advanceTimersByTimeAsync(59_999)
  expect(sockets).toHaveLength(1)
  proof = proofOf(60_000)
  await vi.advanceTimersByTimeAsync(1)
  const renewed = await dialled()
  expect(sockets).toHaveLength(2)
  expect(session.sent.map(({ type }) => type)).not.toContain('close')
  renewed.open()
  session.end('session_replaced', 4409)
  await vi.advanceTimersByTimeAsync(30_000)
  expect(dialer.state.state).toBe('connected')
  expect(renewed.sent.map(({ type }) => type)).not.toContain('close')
})

test('a session ends with the certificate that the peer proved to be with: at once where that is refused, in five seconds where nobody answers', async () => {
  const close = { type: 'close', code: 'certificate_ended' }
  const cases = [
    [new DialFailed('target', 'server_untrusted'), 0],
    [new DialFailed('unreachable', 'ECONNREFUSED'), 5_000],
  ] as const
  for (const [failure, afterMs] of cases) {
    proof = proofOf(60_000)
    dialer.wake()
    const session = await dialled()
    session.open()
    vi.mocked(dial).mockRejectedValueOnce(failure)
    await vi.advanceTimersByTimeAsync(60_000 + afterMs - 1)
    expect(session.sent).not.toContainEqual(close)
    await vi.advanceTimersByTimeAsync(1)
    expect(session.sent.at(-1)).toEqual(close)
  }
})

test('hearing of the end of the old session before the opening of the new one starts no third', async () => {
  dialer.wake()
  const first = await dialled()
  first.open()
  dialer.wake()
  const second = await dialled()
  first.end('session_replaced', 4409)
  expect(dialer.state.state).toBe('connecting')
  second.open()

  expect(dialer.state.state).toBe('connected')
  await vi.advanceTimersByTimeAsync(60_000)
  expect(sockets).toHaveLength(2)
})

test('a refusal is waited out for a minute, unless the token, our certificate or the record is another one', async () => {
  vi.mocked(dial).mockRejectedValueOnce(new DialFailed('refused', 'http_401', { status: 401 }))
  dialer.wake()
  await vi.advanceTimersByTimeAsync(40_000)
  expect(dialer.state).toMatchObject({ state: 'waiting', lastError: 'http_401' })
  expect(sockets).toHaveLength(0)

  dialer.wake()
  expect(await dialled()).toBeDefined()
})

test('a change during an attempt is dialled with once more, and never beside it', async () => {
  let settle = (): void => {}
  vi.mocked(dial).mockImplementationOnce(() => new Promise<void>((resolve) => (settle = resolve)))
  dialer.wake()
  await vi.advanceTimersByTimeAsync(0)
  dialer.wake()
  dialer.wake()
  expect(dial).toHaveBeenCalledTimes(1)
  settle()
  await vi.advanceTimersByTimeAsync(0)
  expect(dial).toHaveBeenCalledTimes(2)
})

test('what was upgraded and not opened ends with the node', async () => {
  dialer.wake()
  const socket = await dialled()
  dialer.stop('shutdown')
  expect(socket.sent.at(-1)).toMatchObject({ type: 'close', code: 'shutdown' })
})

test('a session ends when its peer is no longer proven by the anchors of today; one that is not reached goes on', async () => {
  dialer.wake()
  const socket = await dialled()
  socket.open()
  vi.mocked(dial).mockRejectedValueOnce(new DialFailed('unreachable', 'ECONNREFUSED'))
  dialer.wake()
  await vi.advanceTimersByTimeAsync(0)
  expect(dialer.state.state).toBe('connected')

  vi.mocked(dial).mockRejectedValueOnce(new DialFailed('target', 'server_untrusted'))
  dialer.wake()
  await vi.advanceTimersByTimeAsync(0)
  expect(socket.sent.at(-1)).toMatchObject({ type: 'close', code: 'certificate_ended' })
  expect(dialer.state).toMatchObject({ state: 'waiting', lastError: 'server_untrusted' })
  expect(recorded).toMatchObject([{ verdict: 'refused', guard: 'dial.target', reason: 'server_untrusted' }])
})

const SECOND = 1_000

/** How long it waits before each of its next attempts, in seconds; whatever each of them comes to. */
async function waits(count: number, attempt: () => Promise<unknown> = async () => {}): Promise<number[]> {
  const waited: number[] = []
  for (let seen = 0; seen < count; seen += 1) {
    const before = vi.mocked(dial).mock.calls.length
    const startedAt = performance.now()
    while (vi.mocked(dial).mock.calls.length === before) {
      if (performance.now() - startedAt > 100 * SECOND) throw new Error(`no attempt ${seen + 1} within 100 s`)
      await vi.advanceTimersByTimeAsync(100)
    }
    waited.push((performance.now() - startedAt) / SECOND)
    await attempt()
  }
  return waited
}

const unreachable = new DialFailed('unreachable', 'ECONNREFUSED')

test.each([
  ['in the middle', 0.5, 1],
  ['at the lowest', 0, 0.8],
  ['at the highest', 1 - Number.EPSILON, 1.2],
])(
  'attempts are 1 s apart, then twice as long each time, up to a minute; the jitter is %s',
  async (_, random, share) => {
    vi.spyOn(Math, 'random').mockReturnValue(random)
    vi.mocked(dial).mockRejectedValue(unreachable)
    dialer.wake()
    await vi.advanceTimersByTimeAsync(0)

    const expected = [1, 2, 4, 8, 16, 32, 60, 60].map((seconds) => seconds * share)
    for (const [at, waited] of (await waits(8)).entries()) {
      expect(waited).toBeGreaterThanOrEqual((expected[at] as number) - 1e-6)
      // As closely as it is looked at.
      expect(waited).toBeLessThanOrEqual((expected[at] as number) + 0.2)
    }
  },
)

test('two nodes that lost one peer together do not come back to it together', async () => {
  vi.mocked(dial).mockRejectedValue(unreachable)
  const at = new Set<string | undefined>()
  const others = Array.from({ length: 20 }, () => new PeerDialer(peer, options))
  for (const other of others) other.wake()
  await vi.advanceTimersByTimeAsync(0)
  for (const { state } of others) at.add(state.nextAttempt)
  for (const other of others) other.stop('shutdown')
  expect(at.size).toBeGreaterThan(1)
})

test('a session that was up for a minute starts the back-off anew, one that was not goes on with it', async () => {
  vi.spyOn(Math, 'random').mockReturnValue(0.5)
  for (let failed = 0; failed < 4; failed += 1) vi.mocked(dial).mockRejectedValueOnce(unreachable)
  dialer.wake()
  await vi.advanceTimersByTimeAsync(0)
  const upFor = (ms: number) => async () => {
    const socket = await dialled()
    socket.open()
    for (let passed = 0; passed < ms; passed += SECOND) await vi.advanceTimersByTimeAsync(SECOND)
    socket.emit('close', 1006)
  }
  expect(await waits(4, async () => {})).toEqual([1, 2, 4, 8])
  await upFor(59 * SECOND)()
  expect(await waits(1, upFor(60 * SECOND))).toEqual([16])
  expect(await waits(2, upFor(0))).toEqual([1, 2])
})

test.each([401, 403])(
  '%i: the next attempt comes after a minute, and after a busy peer (503) as ever',
  async (status) => {
    vi.spyOn(Math, 'random').mockReturnValue(0.5)
    vi.mocked(dial).mockRejectedValueOnce(new DialFailed('refused', 'http_503', { status: 503 }))
    vi.mocked(dial).mockRejectedValueOnce(new DialFailed('refused', `http_${status}`, { status }))
    dialer.wake()
    await vi.advanceTimersByTimeAsync(0)

    expect(await waits(1)).toEqual([1])
    expect(dialer.state).toMatchObject({ state: 'waiting', lastError: `http_${status}` })
    expect(Date.parse(dialer.state.nextAttempt ?? '') - Date.now()).toBeCloseTo(60 * SECOND, -3)
    // A peer that dials here is up, and would refuse us all the same.
    dialer.peerIsUp()
    expect(await waits(1)).toEqual([60])
  },
)

test('a peer that was not reached and comes up here is dialled at once', async () => {
  vi.mocked(dial).mockRejectedValueOnce(unreachable)
  dialer.wake()
  await vi.advanceTimersByTimeAsync(0)
  expect(dial).toHaveBeenCalledTimes(1)
  dialer.peerIsUp()
  await vi.advanceTimersByTimeAsync(0)
  expect(dial).toHaveBeenCalledTimes(2)
})

test.each<[string, (told: { token(name: string): void; peer(change: PeerChange): void; dialers: Dialers }) => void]>([
  ['token', ({ token }) => token('node-b')],
  ['certificate or anchor', ({ dialers }) => dialers.wakeAll()],
  ['record', (told) => told.peer({ peer: { ...peer, endpoint: 'wss://moved.test:9443' }, before: peer })],
])('a refusal is waited out no longer when its %s is another one', async (_, change) => {
  vi.mocked(dial).mockRejectedValueOnce(new DialFailed('refused', 'http_401', { status: 401 }))
  const listeners: { token?: (name: string) => void; peer?: (change: PeerChange) => void } = {}
  const tokens = { ...options.tokens, onChange: (listener: (name: string) => void) => (listeners.token = listener) }
  const peers = { onChange: (listener: (change: PeerChange) => void) => (listeners.peer = listener) }
  const records = { ...peers, all: () => [peer], get: () => peer } as unknown as Peers
  const dialers = new Dialers(records, { ...options, tokens: tokens as unknown as PeerTokens })
  dialers.start()
  await vi.advanceTimersByTimeAsync(30 * SECOND)
  expect(dial).toHaveBeenCalledTimes(1)
  // Another peer's is none of its business.
  listeners.token?.('node-c')
  await vi.advanceTimersByTimeAsync(0)
  expect(dial).toHaveBeenCalledTimes(1)

  change({ token: listeners.token as never, peer: listeners.peer as never, dialers })
  await vi.advanceTimersByTimeAsync(0)
  expect(dial).toHaveBeenCalledTimes(2)
  dialers.stop('shutdown')
})

test('a peer that upgrades and does not open within 5 s is left, and dialled again', async () => {
  dialer.wake()
  const silent = await dialled()
  await vi.advanceTimersByTimeAsync(4_999)
  expect(silent.sent.map(({ type }) => type)).toEqual(['open'])
  expect(dialer.state.state).toBe('connecting')

  await vi.advanceTimersByTimeAsync(1)
  expect(silent.sent.at(-1)).toEqual({ type: 'close', code: 'protocol_error' })
  expect(dialer.state).toMatchObject({ state: 'waiting', lastError: 'message_out_of_order' })
  await vi.advanceTimersByTimeAsync(1_300)
  ;(await dialled()).open()
  await vi.advanceTimersByTimeAsync(6_000)
  expect([sockets.length, dialer.state.state]).toEqual([2, 'connected'])
})

test('an acceptor that sends routes of its own is left, and none of them comes in', async () => {
  dialer.wake()
  const socket = await dialled()
  socket.open()
  socket.say({ type: 'keepalive', seq: 1, refused: 0 })
  expect(dialer.state.state).toBe('connected')

  const route = { op: 'announce', domain: 'b.test', name: 'orders', protocol: 'http', endpoint: 'https://b.test/' }
  socket.say({ type: 'update', seq: 2, routes: [{ ...route, path: ['node-b'] }], endOfSync: true })
  expect(socket.sent.at(-1)).toEqual({ type: 'close', code: 'protocol_error' })
  expect(dialer.state).toMatchObject({ state: 'waiting', lastError: 'message_out_of_order' })
  expect(routes.list()).toEqual([])
})
