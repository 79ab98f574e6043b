import { EventEmitter } from 'node:events'

/** One end of a session without a network: the test plays the other node. */
export class FakeSocket extends EventEmitter {
  readonly sent: Record<string, unknown>[] = []
  readonly closes: number[] = []
  readonly bufferedAmount = 0
  #seq = 0

  send(text: string, done?: () => void): void {
    this.sent.push(JSON.parse(text) as Record<string, unknown>)
    done?.()
  }

  close(code: number): void {
    this.closes.push(code)
  }

  terminate(): void {}
  pong(): void {}

  /** What the other node sends. */
  say(message: unknown): void {
    this.emit('message', Buffer.from(JSON.stringify(message)), false)
  }

  open(node: string): void {
    this.say({ type: 'open', version: 1, node, holdTimeMs: 90_000, session: crypto.randomUUID() })
  }

  keepalive(): void {
    this.say({ type: 'keepalive', seq: this.#next(), refused: 0 })
  }

  update(routes: unknown[], endOfSync = false): void {
    this.say({ type: 'update', seq: this.#next(), routes, ...(endOfSync ? { endOfSync } : {}) })
  }

  /** The other node says why, and goes. */
  leave(code: string, status: number): void {
    this.say({ type: 'close', code })
    this.emit('close', status)
  }

  #next(): number {
    this.#seq += 1
    return this.#seq
  }
}
