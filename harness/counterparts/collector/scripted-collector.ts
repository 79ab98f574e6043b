import { z } from 'zod'
import { type Honest, type ScriptedRequest, ScriptedServer, type ScriptedServerOptions } from '../scripted-server.ts'

/** What a collector is sent; `other` is any other path. */
export type CollectorEndpoint = 'traces' | 'other'
export type CollectorRequest = ScriptedRequest<CollectorEndpoint>

/** Events and links could hold anything. */
const nothing = z.array(z.unknown()).length(0)
const attributes = z
  .array(z.strictObject({ key: z.string(), value: z.strictObject({ stringValue: z.string() }) }))
  .transform((all) => Object.fromEntries(all.map(({ key, value }) => [key, value.stringValue])))
const kinds = { 2: 'server', 3: 'client' } as const
const nanoseconds = z.string().regex(/^\d{19}$/)

/** OTLP 1.x as JSON, and of it what says who called whom: more than that (`traceState`, values that are no texts) is refused. */
const exported = z.strictObject({
  resourceSpans: z.array(
    z.strictObject({
      resource: z.strictObject({ attributes, droppedAttributesCount: z.literal(0) }),
      scopeSpans: z.array(
        z.strictObject({
          scope: z.strictObject({ name: z.string() }),
          spans: z.array(
            z.strictObject({
              traceId: z.string().regex(/^[0-9a-f]{32}$/),
              spanId: z.string().regex(/^[0-9a-f]{16}$/),
              parentSpanId: z
                .string()
                .regex(/^[0-9a-f]{16}$/)
                .optional(),
              name: z.string(),
              kind: z.literal([2, 3]).transform((kind) => kinds[kind]),
              startTimeUnixNano: nanoseconds,
              endTimeUnixNano: nanoseconds,
              attributes,
              status: z.strictObject({ code: z.literal(0) }),
              flags: z.int(),
              ...{ events: nothing, links: nothing },
              droppedAttributesCount: z.literal(0),
              droppedEventsCount: z.literal(0),
              droppedLinksCount: z.literal(0),
            }),
          ),
        }),
      ),
    }),
  ),
})

/** A span as it was exported. */
export type ExportedSpan = z.output<typeof exported>['resourceSpans'][number]['scopeSpans'][number]['spans'][number] & {
  /** What is said of whoever exported it. */
  readonly resource: Readonly<Record<string, string>>
}

/** Listens as a collector of spans that takes everything and writes it down. */
export async function listenAsCollector(options: ScriptedServerOptions): Promise<ScriptedCollector> {
  const collector = new ScriptedCollector(options)
  await collector.listen()
  return collector
}

/** A collector of spans under the scenario's control (OTLP/HTTP). It begins honest: it takes whatever comes. Scripts change that. */
export class ScriptedCollector extends ScriptedServer<CollectorEndpoint> {
  /** All that came so far, whatever was answered. @throws where it is no export, or says more than it may */
  get spans(): ExportedSpan[] {
    return this.requests.flatMap(({ path, headers, body }) => {
      if (path !== '/v1/traces' || headers['content-type'] !== 'application/json') {
        throw new TypeError(`${path} of type ${headers['content-type']} is no export of spans`)
      }
      return exported
        .parse(JSON.parse(body))
        .resourceSpans.flatMap(({ resource, scopeSpans }) =>
          scopeSpans.flatMap(({ spans }) => spans.map((span) => ({ ...span, resource: resource.attributes }))),
        )
    })
  }

  protected override endpointOf(path: string): CollectorEndpoint {
    return path === '/v1/traces' ? 'traces' : 'other'
  }

  protected override honest({ endpoint }: CollectorRequest): Honest {
    return endpoint === 'traces' ? { json: {} } : undefined
  }
}
