import type { IncomingMessage, ServerResponse } from 'node:http'
import type { DecisionLog } from './decision-log.ts'
import { sendJson } from './http-json.ts'
import { allowed, methodOf } from './http-method.ts'
import { createTlsListener, type TlsListener } from './tls-listener.ts'
import type { TlsMaterial } from './tls-material.ts'

/**
 * `/healthz` and `/readyz` of a service that has no other listener. It says nothing but whether there is work done here, so that nobody has to
 * prove who they are.
 */
export function createHealthListener(options: {
  readonly address: string
  readonly material: TlsMaterial
  readonly decisions: DecisionLog
  readonly node: string
  /** Why the service is not ready, or nothing. */
  notReady(): Promise<string | undefined>
}): TlsListener {
  const colon = options.address.lastIndexOf(':')
  return createTlsListener({
    name: 'local',
    host: options.address.slice(0, colon).replaceAll(/[[\]]/g, ''),
    port: Number(options.address.slice(colon + 1)),
    clientCertificate: 'none',
    material: options.material,
    action: 'node:read',
    target: options.node,
    decisions: options.decisions,
    onRequest(request, response) {
      answer(request, response, options.notReady).catch(() => response.destroy())
    },
  })
}

const PATHS = ['/healthz', '/readyz']

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  notReady: () => Promise<string | undefined>,
): Promise<void> {
  // Whatever comes with it is not read, and must not be taken for the next request.
  const ends: Record<string, string> = request.complete ? {} : { connection: 'close' }
  const path = URL.parse(request.url ?? '', 'https://local')?.pathname ?? ''
  if (!PATHS.includes(path)) return sendJson(response, 404, { error: 'not_found' }, ends)
  if (methodOf(request) !== 'GET') {
    return sendJson(response, 405, { error: 'method_not_allowed' }, { ...ends, allow: allowed(['GET']) })
  }
  if (path === '/healthz') return sendJson(response, 200, { status: 'ok' }, ends)
  const reason = await notReady()
  if (reason === undefined) return sendJson(response, 200, { status: 'ready' }, ends)
  sendJson(response, 503, { status: 'unavailable', reason }, { ...ends, 'retry-after': '1' })
}
