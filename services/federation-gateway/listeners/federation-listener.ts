import type { IncomingMessage, ServerResponse } from 'node:http'
import type { TLSSocket } from 'node:tls'
import type { Decision, DecisionLog } from '../../shared/decision-log.ts'
import { firstRefusal, type Guard, type Refusal } from '../../shared/guard.ts'
import type { Log } from '../../shared/log.ts'
import { createTlsListener, type TlsConnection, type TlsListener, type TlsMaterial } from '../../shared/tls-listener.ts'
import { placeIn } from '../../shared/trace-context.ts'
import type { CrlsInUse } from '../certificates/crl-keeper.ts'
import {
  CERTIFICATE_GUARDS,
  type CertificateContext,
  type CertificateIdentity,
  type CertificatePolicy,
  certLive,
  certProven,
  identityIn,
  leafIn,
  type ProvenConnection,
} from '../certificates/guards.ts'
import { capabilitiesOf, etagOf, isUnchanged } from '../scope/capabilities.ts'
import type { Scope } from '../scope/document.ts'
import type { Rights } from '../scope/predicate.ts'
import { isResource } from '../scope/resources.ts'
import { ADMISSION_GUARDS, type GrantFacts } from '../states/admission.ts'
import type { RegisteredLeaf } from '../states/leaf.ts'
import { type AuditedDecision, type AuditMembers, auditRowOf } from '../storage/audit/decision.ts'
import type { Patience } from '../storage/patience.ts'
import { type Tracing, untraced } from '../tracing/tracing.ts'
import type { Position } from '../wire/cursor.ts'
import { queryHash } from '../wire/query-hash.ts'
import {
  type CsrRequest,
  csrRequest,
  getRequest,
  type ListRequest,
  listRequest,
  type SearchRequest,
  searchRequest,
  type Verb,
} from '../wire/requests.ts'
import { type Accepted, type Ended, Exchange, type Frame, Refused, serve } from './exchange.ts'
import { httpAuthority, httpBody, httpDeadline } from './guards.ts'
import { type ConnectionLimits, OpenConnections } from './open-connections.ts'
import { RateLimit, rateGrant, rateLeaf } from './rate-limits.ts'
import type { Records } from './records.ts'
import { type FoundRoute, httpRoute, type Routing, routesAt } from './routes.ts'
import { askStore, type Lookup, storeAvailable } from './store-available.ts'
import { tlsGate, tlsProtocol } from './tls-gate.ts'

/** A grant as it stands at this request. */
export interface LentGrant extends GrantFacts {
  readonly peerId: string
  readonly scope: Scope
  readonly epoch: number
  /** Requests in 60 s. */
  readonly rateLimit: number
  /** What its subject may do natively; undefined where there is no such user. */
  readonly rights: Rights | undefined
}

/** What this listener asks storage for. @throws StoreUnavailable */
export interface AdmissionStore {
  /** By the grant and the serial number that a certificate names; read for each request, and never kept. */
  admission(
    presented: CertificateIdentity,
    patience: Patience,
  ): Promise<{ readonly grant: LentGrant | undefined; readonly registered: RegisteredLeaf | undefined }>
  /**
   * The first request with a certificate was let in: it is active, and the one before it superseded. False: it is not, since the grant or the
   * certificate has come to another state meanwhile.
   */
  accepted(presented: CertificateIdentity, grant: LentGrant, patience: Patience): Promise<boolean>
}

/** A request that was let in. */
export interface AdmittedCall {
  readonly requestId: string
  readonly identity: CertificateIdentity
  readonly grant: LentGrant
  readonly queryHash: string
  readonly signal: AbortSignal
  readonly patience: Patience
}

/** What the verbs come to. Each may throw `Refused` and `StoreUnavailable`. */
export interface Verbs {
  list(call: AdmittedCall, resource: string, request: ListRequest, from: Position | undefined): Promise<Accepted>
  get(call: AdmittedCall, resource: string, id: string): Promise<Accepted>
  search(call: AdmittedCall, request: SearchRequest): Promise<Accepted>
  renew(call: AdmittedCall, request: CsrRequest): Promise<Accepted>
  /** Reads a cursor; undefined for one that is not of this query under this grant. */
  cursor(text: string, binding: { readonly queryHash: string; readonly grantId: string }): Position | undefined
}

/** One for each request, whatever became of it. */
export interface FederationEntry extends Ended {
  readonly requestId: string
  readonly audit: AuditMembers
  readonly principal: Readonly<Record<string, string>>
}

export interface FederationListenerOptions {
  readonly host: string
  readonly port: number
  /** By which callers may address it, lower case. */
  readonly names: readonly string[]
  readonly node: string
  /** Certificate, key and anchors; lists of revoked certificates come later. */
  readonly material: TlsMaterial
  readonly policy: CertificatePolicy
  readonly overlapSeconds: number
  readonly records: Records
  readonly log: Log
  readonly store: AdmissionStore
  readonly verbs: Verbs
  readonly auditor?: Frame['auditor']
  readonly tracing?: Pick<Tracing, 'begin'>
  onEnded?(entry: FederationEntry): void
  readonly limits?: Partial<FederationLimits>
  /** Milliseconds since 1970. */
  readonly now?: () => number
}

export interface FederationLimits extends ConnectionLimits {
  readonly perLeaf: number
  readonly largestBody: number
  readonly deadlineMs: number
  /** For the database, in all that one request asks of it. */
  readonly storeMs: number
  readonly handshakeRecordsPerMinute: number
}

const LIMITS: FederationLimits = {
  most: 1_000,
  mostPerCertificate: 32,
  perLeaf: 6_000,
  largestBody: 16 * 1024,
  deadlineMs: 10_000,
  storeMs: 2_000,
  handshakeRecordsPerMinute: 600,
}
const KEEP_ALIVE_MS = 60_000

export interface FederationListener {
  /** Opens the listener with the first lists; later ones are for new handshakes, and end connections of whom they name. */
  useLists(crls: CrlsInUse): Promise<void>
  /** New handshakes use the new certificate and anchors. */
  reload(material: TlsMaterial): void
  readonly isOpen: boolean
  /** Undefined until it is open. */
  readonly port: number | undefined
  close(graceMs: number): Promise<void>
}

interface FederationRoute {
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly verb: Verb
}

type Here = readonly FoundRoute<FederationRoute>[]

const BASE = '/api/federation/v1'
const UNKNOWN = 'unknown'
const ROUTES: readonly FederationRoute[] = [
  { method: 'POST', path: `${BASE}/list/:resource`, verb: 'list' },
  { method: 'POST', path: `${BASE}/get/:resource/:id`, verb: 'get' },
  { method: 'POST', path: `${BASE}/search`, verb: 'search' },
  { method: 'GET', path: `${BASE}/capabilities`, verb: 'capabilities' },
  { method: 'POST', path: `${BASE}/renew`, verb: 'renew' },
]

/** What a request is about for the audit, from its first byte on: also where it is refused before anybody looks at its path. */
function askedFor([found]: Here): AuditMembers {
  const { resource = '' } = found?.parameters ?? {}
  return { direction: 'inbound', verb: found?.route.verb ?? UNKNOWN, ...(isResource(resource) && { resource }) }
}

/** The listener of peers: mutual TLS, and the verbs of federation alone. It is closed until it knows who is revoked. */
export function createFederationListener(options: FederationListenerOptions): FederationListener {
  const limits = { ...LIMITS, ...options.limits }
  const open = new OpenConnections(limits, options.now)
  const requests = new Requests(options, limits, open)
  let material = options.material
  let listener: TlsListener | undefined
  let opening: Promise<void> | undefined
  const openWith = (given: TlsMaterial): Promise<void> => {
    listener = createTlsListener({
      ...{ name: 'federation', host: options.host, port: options.port, material: given },
      ...{ clientCertificate: 'required', gateReadsSocket: true, isLatestOnly: true, keepAliveMs: KEEP_ALIVE_MS },
      ...{
        gate: tlsGate(open, () => [...material.anchors.values()].flat()),
        handshake: tlsProtocol,
        action: 'federation:connect',
        target: options.node,
      },
      decisions: options.records satisfies DecisionLog,
      handshakeRecordsPerMinute: limits.handshakeRecordsPerMinute,
      onRequest: (request, response, connection) => requests.serve(request, response, connection),
      recordUnreadable: (refusal, connection) => requests.recordUnreadable(refusal, connection),
    })
    return listener.listen()
  }
  return {
    async useLists({ pems, serials }) {
      material = { ...material, crls: pems }
      if (listener === undefined) opening = openWith(material)
      else listener.reload(material)
      open.endRevoked(serials)
      await opening
    },
    reload(next) {
      material = material.crls === undefined ? next : { ...next, crls: material.crls }
      listener?.reload(material)
    },
    get isOpen() {
      return listener?.server.listening === true
    },
    get port() {
      const address = listener?.server.address()
      return typeof address === 'object' ? address?.port : undefined
    },
    async close(graceMs) {
      await opening?.catch(() => {})
      await listener?.close(graceMs)
      open.close()
    },
  }
}

class Requests {
  readonly #options: FederationListenerOptions
  readonly #limits: FederationLimits
  readonly #open: OpenConnections
  readonly #frame: Frame
  readonly #perLeaf = new RateLimit()
  readonly #perGrant = new RateLimit()
  readonly #certificates = new WeakMap<TLSSocket, CertificateContext>()
  /** The latest request of each connection. */
  readonly #latest = new WeakMap<TLSSocket, IncomingMessage>()
  readonly #now: () => number

  constructor(options: FederationListenerOptions, limits: FederationLimits, open: OpenConnections) {
    const { records, log, auditor, now = Date.now } = options
    this.#options = options
    this.#limits = limits
    this.#open = open
    this.#now = now
    this.#frame = {
      listener: 'federation',
      records,
      log,
      auditor,
      deadlineMs: limits.deadlineMs,
      storeMs: limits.storeMs,
      deadline: httpDeadline,
    }
  }

  serve(request: IncomingMessage, response: ServerResponse, connection: TlsConnection): void {
    const exchange = new Exchange(this.#frame, request, response, connection)
    exchange.target = this.#options.node
    const here = routesAt(ROUTES, exchange.path)
    exchange.audit = askedFor(here)
    this.#latest.set(connection.socket, request)
    const over = this.#open.begin(connection.socket)
    exchange.onEnded((ended) => {
      over()
      const { requestId, principal, audit } = exchange
      this.#options.onEnded?.({ ...ended, requestId, principal, audit: audit! })
    })
    serve(exchange, this.#frame, async () => {
      const identity = await this.#identify(exchange)
      const grant = await this.#admit(exchange, identity)
      exchange.accept(await this.#answer(exchange, here, identity, grant))
    }).catch(() => response.destroy())
  }

  /** It has a record and a row as any other request, but for the rest of one that has its row already. */
  async recordUnreadable(refusal: Decision, { socket }: TlsConnection): Promise<void> {
    const { records, auditor } = this.#frame
    const { principal } = await proven(this.#contextOf(socket))
    if (this.#latest.get(socket)?.complete === false) return records.record({ ...refusal, principal })
    const decision: AuditedDecision = { ...refusal, principal, audit: askedFor([]) }
    const entry = auditor?.open(decision.requestId)
    try {
      records.record(decision)
    } catch (failure) {
      entry?.cancel()
      throw failure
    }
    entry?.settle(auditRowOf(decision, new Date().toISOString(), { bytesOut: 0 }))
  }

  /** Whose request it is, by the certificate of its connection and by nothing else. */
  async #identify(exchange: Exchange): Promise<CertificateIdentity> {
    const { request, connection } = exchange
    await exchange.pass([httpAuthority], { request, names: this.#options.names })
    const { principal, ...caller } = await proven(this.#contextOf(connection.socket))
    Object.assign(exchange.principal, principal)
    if (caller.identity === undefined) {
      exchange.isLast = caller.guard === certLive.id
      throw new Refused(caller.guard, caller.refusal)
    }
    this.#trace(exchange)
    const counted = { limit: this.#perLeaf, key: caller.identity.x5t, most: this.#limits.perLeaf }
    await exchange.pass([rateLeaf], counted)
    return caller.identity
  }

  /** What a caller says of its trace is read once it has proven who it is, and `tracestate` and `baggage` never are. */
  #trace(exchange: Exchange): void {
    const { tracing = untraced } = this.#options
    const from = placeIn(exchange.request.headers.traceparent)
    exchange.span = tracing.begin('server', exchange.audit!.verb, from)
    exchange.traceId = exchange.span.place.traceId
  }

  /** Whether the database lets them in, at this request. */
  async #admit(exchange: Exchange, presented: CertificateIdentity): Promise<LentGrant> {
    const { grant, registered } = await this.#look(exchange, presented)
    exchange.principal.peerId = grant.peerId
    await exchange.pass([rateGrant], { limit: this.#perGrant, key: grant.id, most: grant.rateLimit })
    const { store } = this.#options
    const isAccepted = () => store.accepted(presented, grant, exchange.patience)
    if (registered?.status !== 'issued' || (await askStore(isAccepted))) return grant
    // Something came in between: what it was is for the same guards to say.
    return (await this.#look(exchange, presented)).grant
  }

  async #look(exchange: Exchange, presented: CertificateIdentity) {
    const { store, overlapSeconds } = this.#options
    const lookup: Lookup<Awaited<ReturnType<AdmissionStore['admission']>>> = {
      look: () => store.admission(presented, exchange.patience),
      patience: exchange.patience,
    }
    await exchange.pass([storeAvailable], lookup)
    const { grant, registered } = lookup.found ?? { grant: undefined, registered: undefined }
    // Whose grant was asked for is known, and who it belongs to is to find what came of that.
    if (grant !== undefined) exchange.audit = { ...exchange.audit!, tenantId: grant.tenantId }
    await exchange.pass(ADMISSION_GUARDS, { presented, grant, registered, overlapSeconds, now: this.#now() })
    if (grant === undefined) throw new Error('a grant that nobody knows passed its guards')
    return { grant, registered }
  }

  async #answer(exchange: Exchange, here: Here, identity: CertificateIdentity, grant: LentGrant): Promise<Accepted> {
    const { request, requestId, signal, patience } = exchange
    const routing: Routing<FederationRoute> = { here, method: request.method }
    await exchange.pass([httpRoute as Guard<Routing<FederationRoute>>], routing)
    const { route, parameters } = routing.found!
    const { verb } = route
    const { resource = '', id = '' } = parameters
    // What a caller writes there that is no name of ours stays out of the record.
    exchange.action = `federation:${verb}${isResource(resource) ? `/${resource}` : ''}`
    const callOf = (hash: string): AdmittedCall => {
      exchange.audit = { ...exchange.audit!, queryHash: hash }
      return { requestId, identity, grant, queryHash: hash, signal, patience }
    }
    const carried = { request, largest: this.#limits.largestBody }
    const { verbs } = this.#options
    const read = async <Value>(more: Omit<Parameters<typeof httpBody.check>[0], 'request' | 'largest'>) => {
      const given = { ...carried, ...more }
      await exchange.pass([httpBody], given)
      return { value: given.value as Value, position: given.position }
    }
    switch (verb) {
      case 'list': {
        let hash = ''
        const cursor = ({ cursor, filter, limit }: ListRequest): Position | null | undefined => {
          hash = queryHash({ verb, resource, ...(filter && { filter }), limit })
          return cursor === undefined
            ? undefined
            : (verbs.cursor(cursor, { queryHash: hash, grantId: grant.id }) ?? null)
        }
        const { value, position } = await read<ListRequest>({ schema: listRequest(resource), cursor })
        return askStore(() => verbs.list(callOf(hash), resource, value, position))
      }
      case 'get':
        await read({ schema: getRequest, mayBeAbsent: true, id })
        return askStore(() => verbs.get(callOf(queryHash({ verb, resource, id })), resource, id))
      case 'search': {
        const { value } = await read<SearchRequest>({ schema: searchRequest })
        const { q, resources, limit } = value
        const hash = queryHash({ verb, ...(resources && { resource: resources }), q, limit })
        return askStore(() => verbs.search(callOf(hash), value))
      }
      case 'capabilities':
        callOf(queryHash({ verb }))
        return capabilities(grant, request.headers['if-none-match'])
      case 'renew': {
        const { value } = await read<CsrRequest>({ schema: csrRequest })
        return askStore(() => verbs.renew(callOf(queryHash({ verb })), value))
      }
    }
  }

  /** The certificate of a connection is read once, however many requests come over it. */
  #contextOf(socket: TLSSocket): CertificateContext {
    const known = this.#certificates.get(socket)
    if (known !== undefined) return known
    const certificate = socket.getPeerX509Certificate()
    const connection: ProvenConnection = {
      get authorized() {
        return socket.authorized
      },
      isSessionReused: () => socket.isSessionReused(),
      getPeerX509Certificate: () => certificate,
    }
    const context = { connection, policy: this.#options.policy, now: this.#now }
    this.#certificates.set(socket, context)
    return context
  }
}

type Caller = { readonly principal: Readonly<Record<string, string>> } & (
  | { readonly identity: CertificateIdentity }
  | { readonly identity?: undefined; readonly guard: string; readonly refusal: Refusal }
)

/** What a connection has proven of its caller, and which guard objects to it. */
async function proven(context: CertificateContext): Promise<Caller> {
  const found = await firstRefusal(CERTIFICATE_GUARDS, context)
  if (found !== undefined) {
    // Whatever is wrong with what stands in it: it was proven, and is named.
    const leaf = found.guard === certProven.id ? undefined : leafIn(context)
    return { principal: leaf ? { x5t: leaf.x5t } : {}, ...found }
  }
  const identity = identityIn(context)
  if (identity === undefined) throw new Error('a certificate that passed its guards names nobody')
  const { x5t, serial, commonName: cn, grantId, subjectUserId } = identity
  return { principal: { x5t, serial, cn, grantId, subjectUserId }, identity }
}

function capabilities({ scope, expiresAt, epoch }: LentGrant, ifNoneMatch: string | undefined): Accepted {
  const headers = { etag: etagOf(epoch) }
  if (isUnchanged(ifNoneMatch, epoch)) return { status: 304, headers }
  return { status: 200, headers, body: capabilitiesOf(scope, expiresAt) }
}
