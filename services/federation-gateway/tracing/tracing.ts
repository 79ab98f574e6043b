import { newSpanId, newTrace, type TracePlace } from '../../shared/trace-context.ts'
import type { AuditRow } from '../storage/audit/rows.ts'

/** All that the end of a span says, by the row in the audit of the same call: nothing of what was asked or answered is in it. */
export type Spanned = Pick<AuditRow, 'grantId' | 'peerId' | 'resource' | 'outcome'>

export interface Span {
  /** Where those are that it calls. */
  readonly place: TracePlace
  end(row: Spanned): void
}

/** Spans of the calls between gateways. Nothing that is done here fails, or waits for anybody. */
export interface Tracing {
  /** @param from where in a trace; default: in one of its own */
  begin(side: 'client' | 'server', verb: string, from?: TracePlace): Span
  /** What has not left so far leaves, if somebody takes it in time. */
  close(): Promise<void>
}

/** Traces go on from one gateway to the next, and nobody keeps a span. */
export const untraced: Tracing = {
  begin: (_side, _verb, from = newTrace()) => ({ place: { ...from, spanId: newSpanId() }, end() {} }),
  async close() {},
}
