import { randomBytes } from 'node:crypto'

/** A place in a trace, by W3C Trace Context: the span below which something happens. */
export interface TracePlace {
  readonly traceId: string
  /** Undefined where the trace begins. */
  readonly spanId?: string
  /** Whether whoever was there keeps what it sees of the trace. */
  readonly isSampled: boolean
}

// Section 3.2 of W3C Trace Context: lower case, no id of zeros. What a later version says beyond version 00 comes behind it.
const TRACEPARENT = /^(?!ff|00.{54})[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?$/

/** Undefined: nobody said where in a trace this is, or said it wrongly or twice. */
export function placeIn(traceparent: string | string[] | undefined): TracePlace | undefined {
  const [, traceId, spanId, flags] = TRACEPARENT.exec(String(traceparent)) ?? []
  if (traceId === undefined || spanId === undefined) return undefined
  return { traceId, spanId, isSampled: (Number.parseInt(flags!, 16) & 1) === 1 }
}

/** As the next one is told; undefined where there is no span that it could be below. */
export function traceparentOf({ traceId, spanId, isSampled }: TracePlace): string | undefined {
  return spanId && `00-${traceId}-${spanId}-${isSampled ? '01' : '00'}`
}

export function newTrace(): TracePlace {
  return { traceId: randomBytes(16).toString('hex'), isSampled: false }
}

export function newSpanId(): string {
  return randomBytes(8).toString('hex')
}
