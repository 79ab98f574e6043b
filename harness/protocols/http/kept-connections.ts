import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import https from 'node:https'
import type { Endpoint } from '../endpoint.ts'
import { beginHandshake } from '../tls/handshake.ts'
import { bodyOf, type Request, rawLines } from './exchange.ts'

/** Connections that are kept and used again, as an attacker would who wants to be fast. */
export type KeptConnections = ReturnType<typeof keptConnections>
export type KeptAnswer = Awaited<ReturnType<KeptConnections['send']>>

/** Keeps up to `most` connections to an endpoint, each from its seat and with its client certificate. */
export function keptConnections(endpoint: Endpoint, most: number) {
  const agent = new https.Agent({ keepAlive: true, maxSockets: most })
  agent.createConnection = (_, done) => {
    endpoint.seat.connect(endpoint).then(
      ({ stream }) => done?.(null, beginHandshake(endpoint, stream)),
      (failure: Error) => done?.(failure, undefined as never),
    )
    return undefined
  }
  const { address: host, port, timeoutMs = 10_000 } = endpoint
  async function send({ body, ...request }: Request) {
    const began = performance.now()
    const kept = { ...request, body, headers: [...request.headers, ['Connection', 'keep-alive'] as const] }
    const { method, path } = request
    const headers = rawLines(endpoint, kept)
    const asked = https.request({ agent, host, port, method, path, headers, signal: AbortSignal.timeout(timeoutMs) })
    // Kept: the far end may cut the connection after its answer, too.
    asked.on('error', () => {})
    asked.end(body)
    const [response] = (await once(asked, 'response')) as [IncomingMessage]
    const text = await bodyOf(response)
    const { statusCode: status = 0, headers: answered } = response
    return { status, headers: answered, body: text, ms: performance.now() - began }
  }
  return { send, [Symbol.dispose]: () => agent.destroy() }
}
