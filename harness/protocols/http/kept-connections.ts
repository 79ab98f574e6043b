import https from 'node:https'
import { type Endpoint, patience } from '../endpoint.ts'
import { beginHandshake } from '../tls/handshake.ts'
import { asked, bodyOf, type Request, rawLines } from './exchange.ts'

/** Connections that are kept and used again, as an attacker would who wants to be fast. */
export type KeptConnections = ReturnType<typeof keptConnections>
export type KeptAnswer = Awaited<ReturnType<KeptConnections['send']>>

/** Keeps up to `most` connections to an endpoint, each from its seat and with its client certificate. */
export function keptConnections(endpoint: Endpoint, most: number) {
  const agent = new https.Agent({ keepAlive: true, maxSockets: most })
  let opened = 0
  agent.createConnection = (_, done) => {
    opened += 1
    endpoint.seat.connect(endpoint).then(
      ({ stream }) => done?.(null, beginHandshake(endpoint, stream)),
      (failure: Error) => done?.(failure, undefined as never),
    )
    return undefined
  }
  const { address: host, port } = endpoint
  const timeoutMs = patience(endpoint, endpoint.timeoutMs ?? 10_000)
  async function send(request: Request) {
    const began = performance.now()
    const headers = [...request.headers, ['Connection', 'keep-alive'] as const]
    const how = { protocol: 'https:', agent, host, port, signal: AbortSignal.timeout(timeoutMs) }
    const response = await asked(request, rawLines(endpoint, { ...request, headers }), how)
    const body = await bodyOf(response)
    const { statusCode: status = 0, headers: lines, httpVersion } = response
    return { status, headers: lines, httpVersion, body, ms: performance.now() - began }
  }
  return { send, opened: () => opened, [Symbol.dispose]: () => agent.destroy() }
}

/** Whether the far end ends a connection after its answer without having said so (RFC 9112 section 9.6): what is sent meanwhile is lost. */
export async function endsUnsaid(kept: KeptConnections, request: Request): Promise<boolean> {
  const { headers, httpVersion } = await kept.send(request)
  if (httpVersion === '1.0' || headers.connection?.toLowerCase() === 'close') return false
  const before = kept.opened()
  const isAnswered = await kept.send(request).then(
    () => true,
    () => false,
  )
  return !isAnswered || kept.opened() > before
}
