import type { Decision, DecisionLog, Layer } from '../../shared/decision-log.ts'

/** A verdict. Members that are left out are empty in the record: many verdicts have no caller, or no answer. */
export interface RecordOfDecision {
  readonly verdict: 'accepted' | 'refused'
  readonly guard: string | null
  readonly reason: string | null
  /** Default: `http`. */
  readonly layer?: Layer
  /** `pipeline:run`; what is decided about. */
  readonly action: string
  /** `POST /v1/pipeline/run`, where a declared route was called. */
  readonly route?: string
  readonly status?: number | null
  readonly error?: string | null
  /** Default: this node. For a call that goes out: the peer. */
  readonly target?: string
  /** Address of the caller. */
  readonly remote?: string
  readonly via?: string
  /** Of an accepted token alone. */
  readonly tokenRef?: string
  readonly requestId?: string
  readonly conn?: string
  readonly listener?: string
  readonly ms?: number
  readonly notWritten?: number
}

/** A line of the decision log: members that all services have, and those of this one. */
export interface BearerDecision extends Decision {
  readonly route: string | null
  readonly remote: string | null
  readonly via: string | null
  readonly tokenRef: string | null
}

export interface Records {
  record(decision: RecordOfDecision): void
}

export function createRecords(decisions: Pick<DecisionLog, 'record'>, node: string): Records {
  return {
    record(given) {
      const { tokenRef, via } = given
      const line: BearerDecision = {
        conn: given.conn ?? '',
        listener: given.listener ?? '',
        requestId: given.requestId ?? crypto.randomUUID(),
        action: given.action,
        route: given.route ?? null,
        verdict: given.verdict,
        layer: given.layer ?? 'http',
        status: given.status ?? null,
        error: given.error ?? null,
        guard: given.guard,
        reason: given.reason,
        target: given.target ?? node,
        remote: given.remote ?? null,
        via: via ?? null,
        tokenRef: tokenRef ?? null,
        // What is proven: that the token is held, and by which certificate a proxy is known.
        principal: { ...(tokenRef !== undefined && { tokenRef }), ...(via !== undefined && { via }) },
        ms: given.ms ?? 0,
        ...(given.notWritten !== undefined && { notWritten: given.notWritten }),
      }
      decisions.record(line)
    },
  }
}

/** What a listener itself refuses has no route yet, and nobody who proved a token. */
export function asLine(decisions: Pick<DecisionLog, 'record'>): DecisionLog {
  return {
    record(decision) {
      const remote = decision.conn.slice(0, decision.conn.lastIndexOf(':'))
      const line: BearerDecision = { ...decision, route: null, remote, via: null, tokenRef: null }
      decisions.record(line)
    },
    close() {},
  }
}
