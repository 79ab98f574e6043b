import https from 'node:https'
import type { Duplex } from 'node:stream'
import tls from 'node:tls'
import type { Endpoint } from '../endpoint.ts'
import type { Connected } from '../seat.ts'
import { bodyOf, type Request } from './exchange.ts'

/** One answer over a kept connection. */
export interface KeptAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: string
  readonly ms: number
}

/** Connections that are kept and used again, as an attacker would who wants to be fast. */
export interface KeptConnections extends Disposable {
  send(request: Request): Promise<KeptAnswer>
}

/** Takes its connections from the seat of an endpoint. */
class SeatedAgent extends https.Agent {
  readonly #endpoint: Endpoint

  constructor(endpoint: Endpoint, most: number) {
    super({ keepAlive: true, maxSockets: most })
    this.#endpoint = endpoint
  }

  override createConnection(_: unknown, done: (failure: Error | null, socket: Duplex) => void): undefined {
    const { seat, host: servername, anchorPem: ca, identity: { certPem: cert, keyPem: key } = {} } = this.#endpoint
    const secure = ({ stream: socket }: Connected) =>
      tls.connect({ socket, servername, ca, cert, key, rejectUnauthorized: true })
    seat.connect(this.#endpoint).then(
      (connected) => done(null, secure(connected)),
      (failure: Error) => done(failure, undefined as never),
    )
  }
}

/** Keeps up to `most` connections to an endpoint, each with the endpoint's client certificate. */
export function keptConnections(endpoint: Endpoint, most: number): KeptConnections {
  const agent = new SeatedAgent(endpoint, most)
  const { address, port, host, timeoutMs = 10_000 } = endpoint
  const options = { agent, host: address, port }
  const send = ({ method, path, headers, body }: Request) =>
    new Promise<KeptAnswer>((resolve, reject) => {
      const began = performance.now()
      const length = body === undefined ? [] : [['Content-Length', String(Buffer.byteLength(body))]]
      const lines = [['Host', `${host}:${port}`], ...length, ...headers].flat()
      const signal = AbortSignal.timeout(timeoutMs)
      const asked = https.request({ ...options, method, path, headers: lines, signal }, (response) => {
        bodyOf(response).then((text) => {
          const { statusCode = 0, headers: answered } = response
          resolve({ status: statusCode, headers: answered, body: text, ms: performance.now() - began })
        }, reject)
      })
      asked.once('error', reject)
      asked.end(body)
    })
  return { send, [Symbol.dispose]: () => agent.destroy() }
}
