import { EventEmitter } from 'node:events'
import { afterEach, expect, test, vi } from 'vitest'
import type { WebSocket } from 'ws'
import { SessionChannel, type SessionEnd } from './session-channel.ts'

/** A peer whose reading the test decides: what waits for it is `bufferedAmount`. */
class FakeSocket extends EventEmitter {
  bufferedAmount = 0
  readonly pongs: string[] = []
  readonly closes: number[] = []

  send(): void {}

  pong(data: Buffer): void {
    this.pongs.push(String(data))
  }

  close(code: number): void {
    this.closes.push(code)
    // As ws does: the peer's answer comes later.
    setImmediate(() => this.emit('close', code))
  }

  terminate(): void {}
}

function sessionOn(socket: FakeSocket, side: 'acceptor' | 'dialer' = 'acceptor'): SessionEnd[] {
  const ends: SessionEnd[] = []
  new SessionChannel(socket as unknown as WebSocket, {
    ...{ side, node: 'node-a', expectedNode: 'node-b', holdTimeMs: 90_000 },
    ...{ refused: () => 0, onOpen: () => {}, onUpdate: () => undefined, onEnd: (end) => ends.push(end) },
  })
  return ends
}

afterEach(() => {
  vi.useRealTimers()
})

test('a peer that does not read gets no answer to its pings until it does', () => {
  const socket = new FakeSocket()
  const ends = sessionOn(socket)
  socket.emit('ping', Buffer.from('read'))
  socket.bufferedAmount = 64 * 1024
  socket.emit('ping', Buffer.from('unread'))
  socket.bufferedAmount = 0
  socket.emit('ping', Buffer.from('read again'))

  expect(socket.pongs).toEqual(['read', 'read again'])
  expect(ends).toEqual([])
  socket.close(1001)
})

test('ten pings in a second are answered, one more ends the session, and none is answered after it', () => {
  const socket = new FakeSocket()
  const ends = sessionOn(socket)
  for (let sent = 1; sent <= 30; sent += 1) socket.emit('ping', Buffer.from(String(sent)))

  expect(socket.pongs).toHaveLength(10)
  expect(socket.closes).toEqual([4400])
  expect(ends).toEqual([{ code: 'protocol_error', by: 'us', guard: 'msg.pace', reason: 'ping_flood' }])
})

test.each(['acceptor', 'dialer'] as const)(
  '%s: whoever has not opened 5 s after the upgrade is closed',
  async (side) => {
    vi.useFakeTimers()
    const [silent, opened] = [new FakeSocket(), new FakeSocket()]
    const ends = [sessionOn(silent, side), sessionOn(opened, side)]
    // Signs of life are no `open`.
    for (let passed = 0; passed < 4_999; passed += 1_000) {
      silent.emit('ping', Buffer.from('still here'))
      await vi.advanceTimersByTimeAsync(Math.min(1_000, 4_999 - passed))
    }
    const open = { type: 'open', version: 1, node: 'node-b', holdTimeMs: 90_000, session: crypto.randomUUID() }
    opened.emit('message', Buffer.from(JSON.stringify(open)), false)
    expect([silent.closes, opened.closes]).toEqual([[], []])

    await vi.advanceTimersByTimeAsync(1)
    expect(silent.closes).toEqual([4400])
    await vi.advanceTimersByTimeAsync(60_000)
    expect(ends).toEqual([
      [{ code: 'protocol_error', by: 'us', guard: 'msg.form', reason: 'message_out_of_order' }],
      [],
    ])
    expect(opened.closes).toEqual([])
  },
)
