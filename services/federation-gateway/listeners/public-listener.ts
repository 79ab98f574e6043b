import type { Guard } from '../../shared/guard.ts'
import type { Log } from '../../shared/log.ts'
import { createTlsListener, type TlsListener, type TlsMaterial } from '../../shared/tls-listener.ts'
import type { AuditMembers } from '../storage/audit/decision.ts'
import { type Accepted, type Ended, Exchange, type Frame, serve } from './exchange.ts'
import { httpAuthority, httpDeadline } from './guards.ts'
import type { Records } from './records.ts'
import { httpRoute, type Routed, type Routing, routesAt } from './routes.ts'
import { askStore } from './store-available.ts'
import { tlsPlaces } from './tls-gate.ts'

/** A route of the public listener. What it demands of its callers is its own: each begins with guards of its own. */
export interface PublicRoute extends Routed {
  readonly action: string
  /** For a route each of whose requests has a row in the audit, also where it is refused before anybody is asked. */
  readonly audit?: AuditMembers
  /** May throw `Refused` and `StoreUnavailable`. */
  handle(exchange: Exchange, parameters: Readonly<Record<string, string>>): Accepted | Promise<Accepted>
}

/** One for each request, whatever became of it. Those that have a row in the audit log carry what their records say for it. */
export interface PublicEntry extends Ended {
  readonly requestId: string
  readonly traceId: string | undefined
  readonly principal: Readonly<Record<string, string>>
  readonly audit: AuditMembers | undefined
}

export interface PublicListenerOptions {
  readonly host: string
  readonly port: number
  /** By which callers may address it, lower case. */
  readonly names: readonly string[]
  readonly node: string
  readonly material: TlsMaterial
  readonly records: Records
  readonly log: Log
  readonly routes: readonly PublicRoute[]
  /** Why the gateway is not ready, or nothing. */
  notReady(): string | undefined | Promise<string | undefined>
  /** DER of the list of revoked certificates in use, for askers that do not reach the CA. */
  list(): Buffer | undefined
  readonly auditor?: Frame['auditor']
  onEnded?(entry: PublicEntry): void
  readonly deadlineMs?: number
  readonly storeMs?: number
  /** Connections at once. */
  readonly mostConnections?: number
  readonly handshakeRecordsPerMinute?: number
}

const DEADLINE_MS = 10_000
const MOST_CONNECTIONS = 1_000
const KEEP_ALIVE_MS = 60_000
const LIST_PATH = '/api/federation/crl'

/** The listener that asks for no certificate: health, the list of revoked certificates, and the routes that it is given. */
export function createPublicListener(options: PublicListenerOptions): TlsListener {
  const { records, log, deadlineMs = DEADLINE_MS, mostConnections = MOST_CONNECTIONS } = options
  const { auditor, handshakeRecordsPerMinute, storeMs } = options
  const frame: Frame = { listener: 'public', records, log, auditor, deadlineMs, storeMs, deadline: httpDeadline }
  const routes = [...ownRoutes(options), ...options.routes]
  return createTlsListener({
    ...{ name: 'public', host: options.host, port: options.port, clientCertificate: 'none' },
    ...{ material: options.material, decisions: records, action: 'public:connect', target: options.node },
    ...{ keepAliveMs: KEEP_ALIVE_MS, gate: tlsPlaces(mostConnections) },
    ...(handshakeRecordsPerMinute !== undefined && { handshakeRecordsPerMinute }),
    onRequest(request, response, connection) {
      const exchange = new Exchange(frame, request, response, connection)
      exchange.target = options.node
      const here = routesAt(routes, exchange.path)
      exchange.audit = here[0]?.route.audit
      exchange.onEnded((ended) => {
        const { requestId, traceId, principal, audit } = exchange
        options.onEnded?.({ ...ended, requestId, traceId, principal, audit })
      })
      serve(exchange, frame, async () => {
        await exchange.pass([httpAuthority], { request, names: options.names })
        const routing: Routing<PublicRoute> = { here, method: request.method }
        await exchange.pass([httpRoute as Guard<Routing<PublicRoute>>], routing)
        const { route, parameters } = routing.found!
        exchange.action = route.action
        exchange.accept(await askStore(() => route.handle(exchange, parameters)))
      }).catch(() => response.destroy())
    },
  })
}

function ownRoutes({ notReady, list }: PublicListenerOptions): PublicRoute[] {
  const get = (path: string, action: string, handle: PublicRoute['handle']): PublicRoute => {
    return { method: 'GET', path, action, handle }
  }
  return [
    get('/healthz', 'health:read', () => ({ status: 200, body: { status: 'ok' } })),
    get('/readyz', 'health:read', async () => {
      const reason = await notReady()
      return reason === undefined ? { status: 200, body: { status: 'ready' } } : unavailable(reason)
    }),
    get(LIST_PATH, 'crl:read', () => {
      const body = list()
      if (body === undefined) return unavailable('crl_missing')
      return { status: 200, body, headers: { 'content-type': 'application/pkix-crl' } }
    }),
  ]
}

function unavailable(reason: string): Accepted {
  return { status: 503, body: { status: 'unavailable', reason }, headers: { 'retry-after': '1' } }
}
