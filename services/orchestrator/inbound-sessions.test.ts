import { EventEmitter } from 'node:events'
import { expect, test } from 'vitest'
import type { WebSocket } from 'ws'
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

function sessions(): InboundSessions {
  const log = { info() {}, warn() {}, error() {} }
  const options = { node: 'node-a', holdTimeMs: 90_000, peers: { onChange() {} }, routes: {}, log }
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
