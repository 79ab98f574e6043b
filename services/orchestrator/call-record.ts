import type { IncomingMessage, ServerResponse } from 'node:http'
import { refusalAnswer } from '../shared/bearer.ts'
import { tokenPrincipal } from '../shared/bound-token.ts'
import type { Decision, DecisionLog } from '../shared/decision-log.ts'
import type { Refusal } from '../shared/guard.ts'
import type { PeerCertificate } from '../shared/peer-certificate.ts'
import { placeIn } from '../shared/trace-context.ts'
import type { CallContext } from './call-context.ts'

/** What the handshake proved about a caller. */
export function principalOf(certificate: PeerCertificate | undefined): Record<string, string> {
  if (certificate === undefined) return {}
  return { 'x5t#S256': certificate.x5t, san: certificate.sans.join(' ') }
}

/** Records what was decided about a call. Always before the answer is written. */
export class CallRecorder {
  readonly #decisions: DecisionLog
  readonly #node: string

  constructor(decisions: DecisionLog, node: string) {
    this.#decisions = decisions
    this.#node = node
  }

  accepted(context: CallContext, action: string, status: number, startedAt: number): void {
    this.#record(context, action, startedAt, { verdict: 'accepted', status, error: null, guard: null, reason: null })
  }

  refused(
    context: CallContext,
    action: string,
    { guard, refusal }: { guard: string; refusal: Refusal },
    startedAt: number,
  ): void {
    const { status, reason, error } = refusal
    this.#record(context, action, startedAt, { verdict: 'refused', status, error: error ?? null, guard, reason })
  }

  /** What failed was no check but the service: nobody refused, and nothing was accepted. */
  failed(context: CallContext, action: string, status: number | null, startedAt: number): void {
    const outcome = { verdict: 'refused' as const, status, error: null, guard: null, reason: 'server_error' }
    this.#record(context, action, startedAt, outcome)
  }

  #record(
    context: CallContext,
    action: string,
    startedAt: number,
    outcome: Pick<Decision, 'verdict' | 'status' | 'error' | 'guard' | 'reason'>,
  ): void {
    const { conn, listener, certificate } = context.connection
    const place = placeIn(context.request.headers.traceparent)
    this.#decisions.record({
      conn,
      listener,
      requestId: crypto.randomUUID(),
      ...(place && { traceId: place.traceId }),
      action,
      layer: 'http',
      target: this.#node,
      principal: { ...principalOf(certificate), ...tokenPrincipal(context) },
      ms: performance.now() - startedAt,
      ...outcome,
    })
  }
}

/** Answers a refusal: generic text to the caller, and the connection ends. */
export function answerRefusal(
  request: IncomingMessage,
  response: ServerResponse,
  realm: string,
  refusal: Refusal,
  headers: Readonly<Record<string, string>> = {},
): void {
  const answer = refusalAnswer(realm, refusal)
  // Unread body bytes would be taken for the next request.
  const ends = request.complete ? {} : { connection: 'close' }
  response.writeHead(answer.status, { ...answer.headers, ...ends, ...headers })
  response.end(answer.body)
}
