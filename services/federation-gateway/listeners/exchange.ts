import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Decision } from '../../shared/decision-log.ts'
import { firstRefusal, type Guard, type Refusal } from '../../shared/guard.ts'
import { allowed } from '../../shared/http-method.ts'
import { failureFields, type Log } from '../../shared/log.ts'
import type { TlsConnection } from '../../shared/tls-listener.ts'
import { type AuditedDecision, type AuditMembers, auditRowOf } from '../storage/audit/decision.ts'
import type { AuditRow } from '../storage/audit/rows.ts'
import type { AuditEntry, AuditWriter } from '../storage/audit/writer.ts'
import { Patience } from '../storage/patience.ts'
import type { Span } from '../tracing/tracing.ts'
import { type ErrorCode, errorAnswer, type Issue, type Listener } from '../wire/errors.ts'
import { logWritable, type Records } from './records.ts'
import { pathIn } from './routes.ts'

/** Ends a request that must not go on. The caller gets the text of the status, the decision log the reason. */
export class Refused extends Error {
  readonly guard: string
  readonly refusal: Refusal
  readonly details: readonly Issue[] | undefined

  /** `details`: shown where the status and the listener allow it. */
  constructor(guard: string, refusal: Refusal, details?: readonly Issue[]) {
    super(refusal.reason)
    this.name = 'Refused'
    this.guard = guard
    this.refusal = refusal
    this.details = details
  }
}

/** Runs guards in order; `help` says what a caller can mend, where it is to be told. @throws Refused */
export async function demand<Context>(
  order: readonly Guard<Context>[],
  context: Context,
  help?: (reason: string) => readonly Issue[] | undefined,
): Promise<void> {
  const found = await firstRefusal(order, context)
  if (found !== undefined) throw new Refused(found.guard, found.refusal, help?.(found.refusal.reason))
}

/** What came of a request that was let in. */
export interface Accepted {
  readonly status: number
  /** JSON, or bytes as they are. */
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  readonly rowsOut?: number
  /** An accepted request may have met with something, too: `row_cap`. */
  readonly note?: { readonly guard: string; readonly reason: string }
}

/** What is known of a request once its answer has left, or its caller has gone. */
export interface Ended {
  readonly verdict: 'accepted' | 'refused'
  readonly status: number
  readonly reason: string | null
  readonly rowsOut: number
  readonly bytesOut: number
  readonly ms: number
  /** The caller went away before it had its answer. */
  readonly isAborted: boolean
}

export interface Frame {
  readonly listener: Listener
  readonly records: Records
  readonly log: Log
  /** Takes the rows of requests that have one in the audit. */
  readonly auditor?: Pick<AuditWriter, 'open'> | undefined
  /** Within so many ms there is an answer. */
  readonly deadlineMs: number
  /** For so many ms a request waits for the database, in all. Default 2000. */
  readonly storeMs?: number | undefined
  /** Refuses a request that is answered by no other deadline. */
  readonly deadline: Guard<{ isOver: boolean }>
}

const NOT_MODIFIED = 304
const STORE_MS = 2_000
const UNDECIDED = { verdict: 'refused', status: null, error: null, guard: null, reason: null } as const
const INTERNAL: Refusal = { reason: 'internal', status: 500, error: 'internal' }

/** One request and its one decision. */
export class Exchange {
  readonly requestId: string = crypto.randomUUID()
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly connection: TlsConnection
  readonly path: string
  /** What is proven of the caller; grows as guards pass. */
  readonly principal: Record<string, string> = {}
  /** Of its caller with the database. */
  readonly patience: Patience
  /** Set as soon as it is known. */
  action = 'unknown'
  target = ''
  /** Of the caller's trace, once it may be believed, or of one that begins here. */
  traceId: string | undefined
  /** Of a request that has one: it ends as its row in the audit does. */
  span: Span | undefined
  /** For a request that has a row in the audit: what its record says for it. */
  audit: AuditMembers | undefined
  /** The connection ends with the answer. */
  isLast = false
  readonly #frame: Frame
  readonly #started = performance.now()
  readonly #gone = new AbortController()
  #bytes = 0
  #ended: ((ended: Ended) => void) | undefined
  #outcome: Omit<Ended, 'bytesOut' | 'ms' | 'isAborted'> | undefined
  #row: { readonly entry: AuditEntry | undefined; readonly decision: AuditedDecision; readonly at: string } | undefined
  #isClosed = false
  #isHandled = false
  #isTold = false

  constructor(frame: Frame, request: IncomingMessage, response: ServerResponse, connection: TlsConnection) {
    this.#frame = frame
    this.request = request
    this.response = response
    this.connection = connection
    this.path = pathIn(request.url)
    this.patience = new Patience(frame.storeMs ?? STORE_MS)
    response.once('close', () => {
      this.#gone.abort()
      this.#isClosed = true
      this.#tell()
    })
  }

  /** Aborted with the request: its caller has gone, or its time is over. */
  get signal(): AbortSignal {
    return this.#gone.signal
  }

  /** Called once, when nothing more comes of the request. */
  onEnded(listener: (ended: Ended) => void): void {
    this.#ended = listener
  }

  /** Runs guards in order; `help` as of `demand`. @throws Refused */
  pass<Context>(...given: Parameters<typeof demand<Context>>): Promise<void> {
    return demand(...given)
  }

  /** The record comes first: whoever holds an answer can read it. Nothing happens where there was an answer before. */
  accept({ status, body, headers = {}, rowsOut = 0, note }: Accepted): void {
    if (this.#outcome !== undefined) return
    const met = { guard: note?.guard ?? null, reason: note?.reason ?? null }
    this.#record({ verdict: 'accepted', status, error: null, ...met, ...(this.audit && { rowsOut }) })
    this.#outcome = { verdict: 'accepted', status, reason: note?.reason ?? null, rowsOut }
    this.#send(status, body, headers)
  }

  refuse({
    guard,
    refusal,
    details,
  }: {
    guard: string | null
    refusal: Refusal
    details?: readonly Issue[] | undefined
  }): void {
    if (this.#outcome !== undefined) return
    const code = (refusal.error ?? 'internal') as ErrorCode
    const { reason, retryAfter } = refusal
    const about = { listener: this.#frame.listener, requestId: this.requestId }
    const shown = { ...about, ...(details && { details }), ...(retryAfter !== undefined && { retryAfter }) }
    const { status, headers, body } = errorAnswer(code, shown)
    this.#outcome = { verdict: 'refused', status, reason, rowsOut: 0 }
    try {
      this.#record({ verdict: 'refused', status, error: code, guard, reason })
    } catch {
      // It stays refused, and as what the log is now: no caller learns anything of a decision that is not on record.
      const unwritable = errorAnswer('dependency_unavailable', { ...about, retryAfter: 5 })
      this.#outcome = { verdict: 'refused', status: unwritable.status, reason: 'decision_log_unwritable', rowsOut: 0 }
      this.#send(unwritable.status, unwritable.body, unwritable.headers)
      return
    }
    this.#send(status, body, { ...headers, ...(refusal.allow && { allow: allowed(refusal.allow) }) })
  }

  /** The row in the audit of this request once it is accepted, for whoever stores it together with what it tells of. */
  acceptedRow(audit: AuditMembers, accepted: Pick<Accepted, 'status' | 'body'>): AuditRow {
    const [ms, bytesOut] = [this.#ms(), Buffer.byteLength(JSON.stringify(accepted.body))]
    const outcome = { verdict: 'accepted', status: accepted.status, error: null, guard: null, reason: null } as const
    const decision = { ...this.#about(), ms, ...outcome, audit, rowsOut: 0 }
    return auditRowOf(decision, new Date().toISOString(), { bytesOut, latencyMs: ms })
  }

  /** Its time is over. */
  abort(): void {
    this.#gone.abort()
  }

  /** Nobody works on it any more. */
  handled(): void {
    this.#isHandled = true
    this.#tell()
  }

  #record(outcome: {
    verdict: 'accepted' | 'refused'
    status: number
    error: string | null
    guard: string | null
    reason: string | null
    rowsOut?: number
  }): void {
    const { audit } = this
    const decision = { ...this.#about(), ms: this.#ms(), ...outcome, ...(audit && { audit }) }
    if (audit !== undefined) this.#openRow({ ...decision, audit })
    this.#frame.records.record(decision)
  }

  /** Before the record: of what came after that place, the audit finds what is missing in the log. */
  #openRow(decision: AuditedDecision): void {
    const entry = this.#row?.entry ?? this.#frame.auditor?.open(this.requestId)
    this.#row = { entry, decision, at: new Date().toISOString() }
  }

  #about(): Pick<
    Decision,
    'conn' | 'listener' | 'requestId' | 'traceId' | 'action' | 'layer' | 'target' | 'principal'
  > {
    const { conn, listener } = this.connection
    return {
      ...{ conn, listener, requestId: this.requestId, action: this.action, layer: 'http', target: this.target },
      ...(this.traceId !== undefined && { traceId: this.traceId }),
      principal: this.principal,
    }
  }

  #send(status: number, body: unknown, headers: Readonly<Record<string, string>>): void {
    const bytes = Buffer.isBuffer(body) ? body : Buffer.from(body === undefined ? '' : JSON.stringify(body))
    // A body that was not read to its end would be taken for the next request.
    const isLast = this.isLast || !this.request.complete
    this.#bytes = bytes.length
    this.response.writeHead(status, {
      'cache-control': 'no-store',
      ...(body !== undefined && { 'content-type': 'application/json' }),
      // RFC 9110 section 15.4.5: a length of 0 would say that the answer that is still good is empty.
      ...(status !== NOT_MODIFIED && { 'content-length': String(bytes.length) }),
      ...headers,
      ...(isLast && { connection: 'close' }),
    })
    this.response.end(bytes)
  }

  /** Once the caller has gone, and it is known what came of it: what is done for nobody may still come to something. */
  #tell(): void {
    if (this.#isTold || !this.#isClosed || (this.#outcome === undefined && !this.#isHandled)) return
    this.#isTold = true
    const { writableFinished } = this.response
    // A caller that has gone before anything was decided has been refused nothing.
    const outcome = this.#outcome ?? { verdict: 'refused' as const, status: 0, reason: null, rowsOut: 0 }
    const bytesOut = writableFinished ? this.#bytes : 0
    const ended: Ended = { ...outcome, bytesOut, ms: this.#ms(), isAborted: !writableFinished }
    this.#settleRow(ended)
    this.#ended?.(ended)
  }

  #settleRow({ verdict, status, reason, bytesOut, ms, isAborted }: Ended): void {
    const { audit } = this
    if (audit === undefined) return
    try {
      if (this.#row === undefined) this.#openRow({ ...this.#about(), ...UNDECIDED, ms, audit })
    } catch (failure) {
      // Nobody waits here for what could be thrown, and nothing was answered but that it cannot be put on record.
      this.#frame.log.error('audit-row-missing', { requestId: this.requestId, ...failureFields(failure) })
      return
    }
    const { entry, decision, at } = this.#row!
    const shown = { ...decision, verdict, reason, status: status === 0 ? null : status }
    const row = auditRowOf(shown, at, { bytesOut, latencyMs: ms, isAborted })
    entry?.settle(row)
    this.span?.end(row)
  }

  #ms(): number {
    return Math.round((performance.now() - this.#started) * 1000) / 1000
  }
}

/** Runs a handler with one exchange. Whatever it throws becomes an answer and a record, once; so does its silence. */
export async function serve(
  exchange: Exchange,
  frame: Frame,
  handle: (exchange: Exchange) => Promise<void>,
): Promise<void> {
  let isOver = false
  const timer = setInterval(() => {
    // Whoever takes no answer in as much time again would have it held, and its connection, for as long as it likes.
    if (isOver) exchange.response.destroy()
    isOver = true
    if (exchange.response.writableEnded) return
    firstRefusal([frame.deadline], { isOver: true }).then(
      (found) => {
        if (found !== undefined) exchange.refuse(found)
        exchange.abort()
      },
      () => exchange.response.destroy(),
    )
  }, frame.deadlineMs).unref()
  exchange.response.once('close', () => clearInterval(timer))
  try {
    await exchange.pass([logWritable], { records: frame.records })
    await handle(exchange)
  } catch (failure) {
    if (exchange.signal.aborted && !(failure instanceof Refused)) return
    if (failure instanceof Refused) exchange.refuse(failure)
    else refuseFailure(exchange, frame, failure)
  } finally {
    exchange.handled()
  }
}

function refuseFailure(exchange: Exchange, frame: Frame, failure: unknown): void {
  // The log has said what it is about when it failed.
  const isUnrecorded = !frame.records.isWritable
  if (!isUnrecorded) frame.log.error('request-failed', failureFields(failure))
  const unwritable = isUnrecorded && logWritable.check({ records: frame.records })
  if (unwritable && !(unwritable instanceof Promise)) exchange.refuse({ guard: logWritable.id, refusal: unwritable })
  else exchange.refuse({ guard: null, refusal: INTERNAL })
}
