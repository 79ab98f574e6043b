import { setTimeout as pause } from 'node:timers/promises'
import { type Context, ROOT_CONTEXT, SpanKind, TraceFlags, trace } from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { AlwaysOnSampler, BatchSpanProcessor, type SpanExporter, TracerProvider } from '@opentelemetry/sdk-trace'
import { failureFields, type Log } from '../../shared/log.ts'
import { newSpanId, newTrace, type TracePlace } from '../../shared/trace-context.ts'
import type { Tracing } from './tracing.ts'

export interface CollectorOptions {
  /** Of the collector, OTLP/HTTP: its `/v1/traces` takes spans. */
  readonly endpoint: string
  /** Whose spans they are, as others call it. */
  readonly service: string
  readonly log: Pick<Log, 'info' | 'warn'>
}

const KINDS = { client: SpanKind.CLIENT, server: SpanKind.SERVER } as const
/** Spans wait for so long for others to leave with. */
const DELAY_MS = 1_000
/** So long a collector is waited for, and asked again if it was away: then these spans are lost. */
const EXPORT_MS = 5_000
const CLOSE_MS = 2_000

/** Spans go to a collector. Whoever waits for it, no call does: at most 2048 spans are kept back, and later ones are dropped. */
export function tracingTo({ endpoint, service, log }: CollectorOptions): Tracing {
  const ids = { traceId: '', generateTraceId: () => ids.traceId, generateSpanId: newSpanId }
  const exporter = new OTLPTraceExporter({
    url: tracesAt(endpoint),
    timeoutMillis: EXPORT_MS,
    // Said outright, for Node's default can be turned off by an environment variable (NODE_TLS_REJECT_UNAUTHORIZED).
    httpAgentOptions: { keepAlive: true, rejectUnauthorized: true },
  })
  const provider = new TracerProvider({
    resource: resourceFromAttributes({ 'service.name': service }),
    idGenerator: ids,
    // Whether a call is seen is for whoever runs this gateway to say, and not for its callers.
    sampler: new AlwaysOnSampler(),
    spanProcessors: [
      new BatchSpanProcessor({
        exporter: told(exporter, log),
        scheduledDelayMillis: DELAY_MS,
        exportTimeoutMillis: 2 * EXPORT_MS,
      }),
    ],
  })
  const tracer = provider.getTracer('federation-gateway')
  return {
    begin(side, verb, from = newTrace()) {
      // Asked for at once, where nobody is above: several calls of one request begin the same trace.
      ids.traceId = from.traceId
      const started = { kind: KINDS[side], attributes: { verb } }
      const span = tracer.startSpan(`federation.${side} ${verb}`, started, contextOf(from))
      return {
        place: { traceId: from.traceId, spanId: span.spanContext().spanId, isSampled: true },
        end({ grantId: grant, peerId: peer, resource, outcome }) {
          const known = Object.entries({ grant, peer, resource, outcome }).filter(([, value]) => value !== null)
          span.setAttributes(Object.fromEntries(known) as Record<string, string>).end()
        },
      }
    },
    async close() {
      await Promise.race([provider.shutdown().catch(() => {}), pause(CLOSE_MS, undefined, { ref: false })])
    },
  }
}

/** OTLP 1.x, section "OTLP/HTTP Request": a path behind that of the collector. */
function tracesAt(endpoint: string): string {
  const url = new URL(endpoint)
  url.pathname = `${url.pathname.replace(/\/$/, '')}/v1/traces`
  return url.href
}

/** W3C baggage and `tracestate` are not in it, as nobody reads them. */
function contextOf({ traceId, spanId, isSampled }: TracePlace): Context {
  const traceFlags = isSampled ? TraceFlags.SAMPLED : TraceFlags.NONE
  return spanId === undefined
    ? ROOT_CONTEXT
    : trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags, isRemote: true })
}

/** Says once that spans are lost, and once that they no longer are. */
function told(exporter: SpanExporter, log: CollectorOptions['log']): SpanExporter {
  let isLosing = false
  return {
    export(spans, done) {
      exporter.export(spans, (result) => {
        const { error } = result
        if (error !== undefined && !isLosing) log.warn('spans-lost', failureFields(error))
        if (error === undefined && isLosing) log.info('spans-exported', {})
        isLosing = error !== undefined
        done(result)
      })
    },
    shutdown: () => exporter.shutdown(),
  }
}
