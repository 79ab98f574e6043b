import type { IncomingMessage, ServerResponse } from 'node:http'
import { failureFields, type Log } from '../../shared/log.ts'
import type { Health } from '../health.ts'
import { type Connection, proxyOf, remoteOf } from './callers.ts'
import { EventStream } from './event-stream.ts'
import type { RecordOfDecision, Records } from './records.ts'
import type { Answer, Caller, EventSession, RefusalAnswer } from './route.ts'
import type { Target } from './route-table.ts'

/** Where exchanges put what they decide. */
export interface ExchangeFrame {
  readonly records: Records
  /** For refusals that anybody can have as fast as he likes. */
  readonly limited: Records
  readonly health: Health
  readonly log: Log
  readonly proxies: Parameters<typeof proxyOf>[1]
  /** Headers by which a token may come; for `Vary`. */
  readonly carriers: string
}

type Outcome = Pick<RecordOfDecision, 'verdict' | 'status' | 'error' | 'guard' | 'reason'>

const UNWRITABLE = 'decision_log_unwritable'
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** One request and its one decision. The record comes first: whoever holds an answer can read it. */
export class Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly target: Target
  readonly via: string | undefined
  /** Of the connection, whatever a proxy says of its caller. */
  readonly address: string
  requestId: string = crypto.randomUUID()
  /** Of an accepted token. */
  tokenRef: string | undefined
  /** Whether a token came, or was needed: nothing of it may be kept by a cache (RFC 9111 section 3.5). */
  isPrivate = false
  /** Whether another token, or none, could have had another answer. */
  isVaried = false
  readonly #frame: ExchangeFrame
  readonly connection: Connection
  readonly #started = performance.now()
  #isAnswered = false

  constructor(
    frame: ExchangeFrame,
    given: { request: IncomingMessage; response: ServerResponse; connection: Connection; target: Target },
  ) {
    this.#frame = frame
    this.connection = given.connection
    this.request = given.request
    this.response = given.response
    this.target = given.target
    this.address = given.connection.address
    this.via = proxyOf(given.connection, frame.proxies)
  }

  get isAnswered(): boolean {
    return this.#isAnswered
  }

  get caller(): Caller {
    const remote = remoteOf(this.connection, this.via, this.request.headers.forwarded)
    return { remote, via: this.via, tokenRef: this.tokenRef }
  }

  /** Who has the token may say by which name a call is known elsewhere already. */
  takeRequestId(): void {
    const given = this.request.headers['holdfast-request-id']
    if (typeof given === 'string' && UUID.test(given)) this.requestId = given
  }

  /** What came of a call that every guard let pass. */
  accept(answer: Exclude<Answer, { events: unknown }>): void {
    const { status, headers = {}, body, note } = answer
    const { guard, reason } = note ?? { guard: null, reason: null }
    const isRefusal = note !== undefined && status >= 400
    const verdict = isRefusal ? 'refused' : 'accepted'
    if (!this.#begin({ verdict, status, error: isRefusal ? errorIn(body) : null, guard, reason })) return
    this.#send(status, headers, body)
  }

  /** Opens a stream of events; undefined where nobody is to get one. */
  stream(): EventSession | undefined {
    const accepted = { verdict: 'accepted', status: 200, error: null, guard: null, reason: null } as const
    if (!this.#begin(accepted)) return undefined
    const { response } = this
    response.writeHead(200, {
      ...this.#headers(),
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
    })
    response.flushHeaders()
    if (this.request.method !== 'HEAD') return new EventStream(response)
    response.end()
    return undefined
  }

  refuse(guard: string | null, reason: string, { status, body, headers }: RefusalAnswer, isLimited = false): void {
    if (this.#isAnswered) return
    this.#isAnswered = true
    const error = errorIn(body)
    const records = isLimited ? this.#frame.limited : this.#frame.records
    this.#record({ verdict: 'refused', status, error, guard, reason }, records)
    this.#send(status, headers ?? {}, { ...body, request_id: this.requestId })
  }

  /** What failed was no check but this node: nobody was refused, and nothing accepted. */
  fail(failure: unknown): void {
    this.#frame.log.error('request-failed', { requestId: this.requestId, ...failureFields(failure) })
    this.refuse(null, 'server_error', { status: 500, body: { error: 'server_error' } })
  }

  /** Its caller went before there was an answer. */
  abandon(): void {
    if (this.#isAnswered) return
    this.#isAnswered = true
    const outcome = { verdict: 'refused', status: null, error: null, guard: null, reason: 'caller_gone' } as const
    this.#record(outcome, this.#frame.records)
  }

  /** What was let in before, and is refused now: the record alone, for its answer was given. */
  recordEnd(guard: string, reason: string): void {
    this.#record({ verdict: 'refused', status: null, error: null, guard, reason }, this.#frame.records, 'session')
  }

  /** False where nothing may be sent any more: there was an answer, or there can be no record of this one. */
  #begin(outcome: Outcome): boolean {
    if (this.#isAnswered) return false
    this.#isAnswered = true
    if (this.#record(outcome, this.#frame.records)) return true
    this.#send(503, { 'retry-after': '1' }, { error: 'unavailable', request_id: this.requestId })
    return false
  }

  #record(outcome: Outcome, records: Records, layer: RecordOfDecision['layer'] = 'http'): boolean {
    const { health, log } = this.#frame
    const { route } = this.target.found ?? {}
    const name = route && `${route.method} ${route.path}`
    try {
      records.record({
        ...outcome,
        ...{ conn: this.connection.conn, listener: this.connection.listener, requestId: this.requestId, layer },
        ...{ action: route?.action ?? name ?? 'unknown', route: name, ...this.caller },
        ms: performance.now() - this.#started,
      })
      health.clear(UNWRITABLE)
      return true
    } catch (failure) {
      health.raise(UNWRITABLE)
      log.error('decision-not-recorded', failureFields(failure))
      return false
    }
  }

  #headers(): Record<string, string> {
    return {
      'holdfast-request-id': this.requestId,
      ...(this.isPrivate && { 'cache-control': 'no-store' }),
      ...(this.isVaried && { vary: this.#frame.carriers }),
      // What was not read must not be taken for the next request.
      ...(!this.request.complete && { connection: 'close' }),
    }
  }

  #send(status: number, headers: Readonly<Record<string, string>>, body: unknown): void {
    const { response } = this
    if (response.destroyed) return
    const isText = typeof body === 'string'
    const text = isText ? body : body === undefined ? '' : JSON.stringify(body)
    response.writeHead(status, {
      ...(body !== undefined && { 'content-type': isText ? 'text/plain; charset=utf-8' : 'application/json' }),
      'content-length': String(Buffer.byteLength(text)),
      ...this.#headers(),
      ...headers,
    })
    response.end(text)
  }
}

function errorIn(body: unknown): string | null {
  const { error } = (body ?? {}) as { error?: unknown }
  // Of who presented nothing there is no error (RFC 6750 section 3.1), whatever the body says to people.
  return typeof error === 'string' && error !== 'unauthorized' ? error : null
}
