import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Decision, DecisionLog } from '../shared/decision-log.ts'
import { firstRefusal, type Guard, type Refusal } from '../shared/guard.ts'
import { sendJson } from '../shared/http-json.ts'
import { allowed } from '../shared/http-method.ts'
import { failureFields, type Log } from '../shared/log.ts'
import type { TlsConnection } from '../shared/tls-listener.ts'
import { requestHost } from './guards/request-host.ts'
import { storageWrite } from './guards/storage-write.ts'

/** A handler ends a request with this when it must not go on. The caller gets generic text, the log the reason. */
export class Refused extends Error {
  readonly guard: string
  readonly refusal: Refusal

  constructor(guard: string, refusal: Refusal) {
    super(refusal.reason)
    this.name = 'Refused'
    this.guard = guard
    this.refusal = refusal
  }
}

/** What the caller may know. The reason never crosses the wire. */
const DESCRIPTIONS: Readonly<Record<string, string>> = {
  invalid_client: 'client authentication failed',
  invalid_request: 'the request is not well-formed',
  invalid_scope: 'the requested scope is not allowed',
  invalid_target: 'the requested resource is not allowed',
  unsupported_grant_type: 'the grant type is not supported',
  access_denied: 'the caller may not do this',
  insufficient_scope: 'the caller may not do this',
  misdirected_request: 'the request was meant for another host',
  not_found: 'there is no such thing here',
  conflict: 'another change is in progress',
  storage_unavailable: 'the server cannot keep anything at the moment',
  server_error: 'the server failed',
}

/** One request and its one decision. */
export interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly connection: TlsConnection
  /** Path and query. */
  readonly url: URL
  /** What is proven of the caller and of the token at hand; grows as guards pass. */
  readonly principal: Record<string, string>
  /** Set as soon as it is known. */
  action: string
  /** Runs guards in order; throws `Refused`. */
  pass<Context>(order: readonly Guard<Context>[], context: Context): Promise<void>
  /** Writes the decision, without an answer. */
  decide(outcome: Outcome): void
  /** Writes an accepting decision, then answers. */
  answer(status: number, body?: unknown, options?: { headers?: Record<string, string>; effect?: string }): void
}

export interface Outcome {
  status: number
  error?: string | undefined
  /** Absent with a `reason`: what failed was no check but the service. */
  guard?: string | undefined
  reason?: string
  /** What an accepted request came to, where that is not the same every time: `active`, `revoked`, … */
  effect?: string | undefined
}

/** A record of this service: the shared one, and what came of an accepted request. */
interface ServiceDecision extends Decision {
  effect?: string
}

export interface ServiceContext {
  readonly log: Log
  readonly decisions: DecisionLog
  /** Of tokens, and the realm of challenges. */
  readonly issuer: string
  /** Names by which callers may address this server, lower case. */
  readonly hosts: readonly string[]
}

/** Runs a handler with one exchange. Whatever the handler throws becomes an answer and a record, once. */
export async function serve(
  service: ServiceContext,
  request: IncomingMessage,
  response: ServerResponse,
  connection: TlsConnection,
  handle: (exchange: Exchange) => Promise<void>,
): Promise<void> {
  const exchange = open(service, request, response, connection)
  try {
    await exchange.pass([requestHost], { request, hosts: service.hosts })
    await handle(exchange)
  } catch (failure) {
    const { guard, refusal } = await refusalOf(failure, service.log)
    if (response.headersSent) return void response.destroy()
    try {
      refuse(service, exchange, guard, refusal)
    } catch (unrecorded) {
      // What cannot be put on record is not answered; the server goes on, for the disk may have room again.
      service.log.error('decision-not-recorded', failureFields(unrecorded))
      response.destroy()
    }
  }
}

function open(
  service: ServiceContext,
  request: IncomingMessage,
  response: ServerResponse,
  connection: TlsConnection,
): Exchange {
  const started = performance.now()
  const url = URL.parse(request.url ?? '/', 'https://host') ?? new URL('https://host/')
  const exchange: Exchange = {
    request,
    response,
    connection,
    url,
    principal: connection.certificate === undefined ? {} : { 'x5t#S256': connection.certificate.x5t },
    action: 'unknown',
    async pass(order, context) {
      const found = await firstRefusal(order, context)
      if (found !== undefined) throw new Refused(found.guard, found.refusal)
    },
    decide({ status, error, guard, reason, effect }) {
      const decision: ServiceDecision = {
        conn: connection.conn,
        listener: connection.listener,
        requestId: crypto.randomUUID(),
        action: exchange.action,
        verdict: reason === undefined ? 'accepted' : 'refused',
        layer: 'http',
        status,
        error: error ?? null,
        guard: guard ?? null,
        reason: reason ?? null,
        target: targetOf(url.pathname),
        principal: exchange.principal,
        ms: Math.round((performance.now() - started) * 1000) / 1000,
        ...(effect === undefined ? {} : { effect }),
      }
      service.decisions.record(decision)
    },
    answer(status, body, { headers, effect } = {}) {
      exchange.decide({ status, effect })
      sendJson(response, status, body, headers)
    },
  }
  return exchange
}

const LONGEST_TARGET = 256

/** The path, for the record: what a caller put into it that is no name of ours may be a token. */
function targetOf(path: string): string {
  const segments = path.split('/').map((segment) => (/^[a-z0-9.-]{0,63}$/.test(segment) ? segment : '…'))
  return segments.join('/').slice(0, LONGEST_TARGET)
}

async function refusalOf(failure: unknown, log: Log): Promise<{ guard?: string; refusal: Refusal }> {
  if (failure instanceof Refused) return failure
  const unkept = await firstRefusal([storageWrite], { failure })
  if (unkept !== undefined) {
    log.error('storage-unavailable', failureFields((failure as Error).cause))
    return unkept
  }
  log.error('request-failed', failureFields(failure))
  return { refusal: { reason: 'server_error', status: 500, error: 'server_error' } }
}

function refuse(service: ServiceContext, exchange: Exchange, guard: string | undefined, refusal: Refusal): void {
  const { request, response } = exchange
  const status = refusal.status ?? 400
  const error = refusal.error ?? 'invalid_request'
  exchange.decide({ status, error, guard, reason: refusal.reason })
  const headers: Record<string, string> = {}
  if (error === 'insufficient_scope') {
    headers['www-authenticate'] = `Bearer realm="${service.issuer}", error="insufficient_scope"`
  }
  // RFC 6749 section 5.2: a client that tried a scheme is answered with that scheme.
  if (error === 'invalid_client' && request.headers.authorization !== undefined) {
    headers['www-authenticate'] = `Basic realm="${service.issuer}"`
  }
  if (refusal.allow !== undefined) headers.allow = allowed(refusal.allow)
  if (refusal.retryAfter !== undefined) headers['retry-after'] = String(refusal.retryAfter)
  // A body that was not read to its end would be taken for the next request.
  if (!request.complete) headers.connection = 'close'
  sendJson(response, status, { error, error_description: DESCRIPTIONS[error] ?? 'refused' }, headers)
}
