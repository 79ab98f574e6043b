import { once } from 'node:events'
import { WebSocket } from 'ws'
import type { NodeIdentity } from './site.ts'

interface Target {
  address: string
  host: string
  port: number
}

export interface SessionCaller extends NodeIdentity {
  node: string
  /** Absent at a baseline, which asks for none. */
  token?: string
}

const HOLD_MS = 90_000

/** A peering session that the bench holds: it announces what it is told to, and asks by ping how far the other end is. */
export class BenchSession {
  readonly #socket: WebSocket
  #seq = 0
  /** Resolves with the close code. */
  readonly ended: Promise<number>

  private constructor(socket: WebSocket) {
    this.#socket = socket
    const alive = setInterval(() => this.#send({ type: 'keepalive', seq: this.#next(), refused: 0 }), HOLD_MS / 3)
    this.ended = once(socket, 'close').then(([code]) => {
      clearInterval(alive)
      return code as number
    })
  }

  static async open({ address, host, port }: Target, { node, token, ...caller }: SessionCaller): Promise<BenchSession> {
    const options: WebSocket.ClientOptions & { servername: string } = {
      ...caller,
      servername: host,
      perMessageDeflate: false,
      handshakeTimeout: 10_000,
      headers: { Host: `${host}:${port}`, ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }) },
    }
    const socket = new WebSocket(`wss://${address}:${port}/v1/peering`, 'holdfast-peering.v1', options)
    socket.on('error', () => {})
    const [frame] = await once(socket, 'message', { signal: AbortSignal.timeout(10_000) })
    if (JSON.parse(String(frame)).type !== 'open') throw new Error(`the first frame was ${String(frame)}`)
    const session = new BenchSession(socket)
    session.#send({ type: 'open', version: 1, node, holdTimeMs: HOLD_MS, session: crypto.randomUUID() })
    return session
  }

  update(routes: readonly object[], endOfSync?: true): void {
    this.#send({ type: 'update', seq: this.#next(), routes, ...(endOfSync && { endOfSync }) })
  }

  /** Ms until the other end answered a ping; it takes everything that was sent before first. */
  async answered(withinMs = 60_000): Promise<number> {
    const began = performance.now()
    const pong = once(this.#socket, 'pong', { signal: AbortSignal.timeout(withinMs) })
    this.#socket.ping()
    await pong
    return performance.now() - began
  }

  close(): void {
    this.#socket.terminate()
  }

  #next(): number {
    this.#seq += 1
    return this.#seq
  }

  #send(message: object): void {
    this.#socket.send(JSON.stringify(message))
  }
}

export function announcement(node: string, domain: string, name: string): object {
  return { op: 'announce', domain, name, protocol: 'http', endpoint: `https://${name}.${domain}/`, path: [node] }
}
