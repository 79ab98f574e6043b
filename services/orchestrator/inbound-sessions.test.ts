import type { X509Certificate } from 'node:crypto'
import { EventEmitter } from 'node:events'
import { expect, test, vi } from 'vitest'
import type { WebSocket } from 'ws'
import { thumbprint } from '../shared/peer-certificate.ts'
import type { UpgradeContext } from './call-context.ts'
import { type InboundOptions, InboundSessions } from './inbound-sessions.ts'

class FakeSocket extends EventEmitter {
  readonly sent: Record<string, unknown>[] = []
  readonly closes: number[] = []

  send(text: string): void {
    this.sent.push(JSON.parse(text) as Record<string, unknown>)
  }

  close(code: number): void {
    this.closes.push(code)
    setImmediate(() => this.emit('close', code))
  }

  terminate(): void {}
}

const recorded: unknown[] = []
const anchor = { raw: Buffer.from('root') } as X509Certificate

const withdrawn: string[] = []

function sessions({ record = (decision: unknown): unknown => recorded.push(decision) } = {}): InboundSessions {
  const log = { info() {}, warn() {}, error() {} }
  const decisions = { record, close() {} }
  const material = () => ({ anchors: new Map([['org-b', [anchor]]]) })
  const routes = { markStale() {}, withdrawAll: (peer: string) => withdrawn.push(peer), purgeStale() {} }
  const options = {
    ...{ node: 'node-a', holdTimeMs: 90_000, peers: { onChange() {} }, routes, log, decisions, material },
    onEstablished() {},
  }
  return new InboundSessions(options as unknown as InboundOptions)
}

/** What the guards leave of an upgrade that they have passed. */
const context = {
  policy: { mode: 'both' },
  decoded: { header: {}, payload: { sub: 'node-b', scope: 'peer:connect' } },
  token: 'e30.e30.sig',
  claims: { sub: 'node-b', scope: 'peer:connect' },
  connection: { certificate: { x5t: 'x', sans: ['node-b.test'] } },
} as unknown as UpgradeContext

test('a session whose upgrade ends after all others were ended is told so, and holds nothing up', () => {
  const inbound = sessions()
  const [early, late] = [new FakeSocket(), new FakeSocket()]
  inbound.admit(early as unknown as WebSocket, context)
  expect(early.closes).toEqual([])

  inbound.close()
  inbound.admit(late as unknown as WebSocket, context)

  for (const { sent, closes } of [early, late]) {
    expect(sent.at(-1)).toEqual({ type: 'close', code: 'shutdown' })
    expect(closes).toEqual([1001])
  }
})

/** A session of a proven peer, whose certificate lasts a minute. */
function admitOpened(
  inbound: InboundSessions,
  socket: FakeSocket,
  { exp, publishes }: { exp: number; publishes: () => Promise<boolean> },
): void {
  const certificate = {
    ...{ x5t: 'x', sans: ['node-b.test'], notAfter: new Date(Date.now() + 60_000) },
    ...{ domain: 'org-b', anchor: thumbprint(anchor) },
  }
  const proven = {
    ...context,
    policy: { mode: 'jwks', clockSkewSeconds: 0, now: Date.now, keys: { publishes } },
    decoded: { header: {}, payload: { sub: 'node-b', scope: 'peer:connect', exp } },
    connection: { certificate },
  }
  inbound.admit(socket as unknown as WebSocket, proven as unknown as UpgradeContext)
  const open = { type: 'open', version: 1, node: 'node-b', holdTimeMs: 90_000, session: crypto.randomUUID() }
  socket.emit('message', Buffer.from(JSON.stringify(open)), false)
}

test('a session ends with its token while the auth server is slow to say anything', async () => {
  vi.useFakeTimers()
  const inbound = sessions()
  const socket = new FakeSocket()
  const exp = Math.floor(Date.now() / 1000) + 6
  let questions = 0
  const publishes = () => {
    questions += 1
    return new Promise<boolean>(() => {})
  }
  admitOpened(inbound, socket, { exp, publishes })

  await vi.advanceTimersByTimeAsync(5_000)
  expect([questions, socket.closes]).toEqual([1, []])
  await vi.advanceTimersByTimeAsync(2_000)
  expect(socket.closes).toEqual([4401])
  expect(recorded).toMatchObject([{ guard: 'live.recheck', reason: 'token_ended' }])
  withdrawn.length = 0
  inbound.close()
  vi.useRealTimers()
})

test('a session whose end cannot be put on record ends all the same, and nothing else with it', async () => {
  vi.useFakeTimers()
  const inbound = sessions({
    record() {
      throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })
    },
  })
  const socket = new FakeSocket()
  admitOpened(inbound, socket, { exp: Math.floor(Date.now() / 1000), publishes: async () => true })
  await vi.advanceTimersByTimeAsync(1_000)

  expect(socket.closes).toEqual([4401])
  expect(withdrawn).toEqual(['node-b'])
  inbound.close()
  vi.useRealTimers()
})
