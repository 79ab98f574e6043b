import https from 'node:https'
import { bodyOf, type Endpoint, type Request } from './exchange.ts'

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

/** Keeps up to `most` connections to an endpoint, each with the endpoint's client certificate. */
export function keptConnections(endpoint: Endpoint, most: number): KeptConnections {
  const agent = new https.Agent({ keepAlive: true, maxSockets: most })
  const { address, port, host, from, anchorPem, identity, timeoutMs = 10_000 } = endpoint
  const options = {
    ...{ agent, host: address, port, servername: host, localAddress: from },
    ...{ ca: anchorPem, cert: identity?.certPem, key: identity?.keyPem, rejectUnauthorized: true },
  }
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
