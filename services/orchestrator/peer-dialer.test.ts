import { EventEmitter } from 'node:events'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { WebSocket } from 'ws'
import { DialFailed, dial } from './dial.ts'
import { type DialerOptions, PeerDialer } from './peer-dialer.ts'
import type { Peer } from './peers.ts'
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

beforeEach(() => {
  vi.useFakeTimers()
  sockets = []
  recorded = []
  vi.mocked(dial).mockReset()
  vi.mocked(dial).mockImplementation(async (_, onOpen) => {
    const socket = new FakeSocket()
    sockets.push(socket)
    onOpen(socket as unknown as WebSocket)
  })
  const peer = { name: 'node-b', endpoint: 'wss://node-b.test:9443', trustDomain: 'org-b', enabled: true } as Peer
  dialer = new PeerDialer(peer, {
    configuration: {
      node: 'node-a',
      session: { holdTimeMs: 90_000, reconnectInitialMs: 1_000, reconnectMaximumMs: 60_000 },
    },
    tokens: { current: async () => ({ token: 'token', exp: 0, thumbprint: 'x' }) },
    certificates: { of: () => ({ anchors: new Map(), certificate: '', key: '' }) },
    routes: new RouteTable(),
    decisions: { record: (decision: unknown) => recorded.push(decision), close() {} },
    log: { info() {}, warn() {}, error() {} },
  } as unknown as DialerOptions)
})

afterEach(() => {
  dialer.stop('shutdown')
  vi.useRealTimers()
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
