import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import type { TracePlace } from '../../shared/trace-context.ts'
import type { TestCa } from '../testing/certificates.ts'
import { type Answer, type Held, holdServer, json, type LiveServer, liveRoot, liveServer } from '../testing/live.ts'
import { tracingTo } from './otlp.ts'
import type { Spanned, Tracing } from './tracing.ts'

const known = getCACertificates('default')
const below: TracePlace = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), isSampled: false }
const row: Spanned = { grantId: 'grant', peerId: 'peer', resource: 'tasks', outcome: 'allowed' }

let root: TestCa
let identity: Held
let collector: LiveServer
let answer: Answer
let tracing: Tracing
let events: string[]

beforeAll(async () => {
  root = await liveRoot('root')
  identity = await holdServer(root, ['localhost'])
  setDefaultCACertificates([...known, String(root.certificate)])
})
beforeEach(async () => {
  events = []
  answer = (_, response) => json(response, 200, {})
  collector = await liveServer(identity, (...given) => answer(...given))
  tracing = begin()
})
afterEach(async () => {
  vi.unstubAllEnvs()
  await tracing.close()
  await collector[Symbol.asyncDispose]()
})
afterAll(() => setDefaultCACertificates(known))

function begin(endpoint = collector.url): Tracing {
  const say = (event: string) => void events.push(event)
  return tracingTo({ endpoint, service: 'gateway-b.example', log: { info: say, warn: say } })
}

/** What came, as the collector reads it. */
function heard() {
  return collector.heard.flatMap(({ body }) => JSON.parse(body).resourceSpans[0].scopeSpans[0].spans)
}

const text = (key: string, stringValue: string) => ({ key, value: { stringValue } })

test('a span says what the audit says of its call, and where in the trace it was', async () => {
  const span = tracing.begin('server', 'list', below)
  expect(span.place).toMatchObject({ traceId: below.traceId, isSampled: true })
  span.end({ ...row, requestId: 'what else is in a row' } as Spanned)
  await tracing.close()
  expect(collector.heard).toMatchObject([{ method: 'POST', url: '/v1/traces' }])
  const { resourceSpans } = JSON.parse(collector.heard[0]!.body)
  expect(resourceSpans).toEqual([
    {
      resource: { attributes: [text('service.name', 'gateway-b.example')], droppedAttributesCount: 0 },
      scopeSpans: [{ scope: { name: 'federation-gateway' }, spans: [expect.anything()] }],
    },
  ])
  expect(heard()).toEqual([
    {
      ...{ traceId: below.traceId, spanId: span.place.spanId, parentSpanId: below.spanId },
      ...{ name: 'federation.server list', kind: 2, status: { code: 0 }, flags: 0x301 },
      attributes: [
        ...[text('verb', 'list'), text('grant', 'grant'), text('peer', 'peer')],
        ...[text('resource', 'tasks'), text('outcome', 'allowed')],
      ],
      ...{ events: [], links: [], droppedAttributesCount: 0, droppedEventsCount: 0, droppedLinksCount: 0 },
      ...{ startTimeUnixNano: expect.stringMatching(/^\d{19}$/), endTimeUnixNano: expect.stringMatching(/^\d{19}$/) },
    },
  ])
})

test('what is not known is not said', async () => {
  tracing.begin('client', 'search').end({ grantId: null, peerId: null, resource: null, outcome: 'aborted' })
  await tracing.close()
  expect(heard()).toMatchObject([
    { name: 'federation.client search', kind: 3, attributes: [text('verb', 'search'), text('outcome', 'aborted')] },
  ])
})

test('calls of one request begin the same trace, and each of nobody’s its own', async () => {
  const trace: TracePlace = { traceId: 'c'.repeat(32), isSampled: false }
  const places = [trace, trace, undefined, undefined].map((from) => {
    const span = tracing.begin('client', 'list', from)
    span.end(row)
    return span.place
  })
  await tracing.close()
  expect(heard().map(({ traceId, spanId }: TracePlace) => ({ traceId, spanId, isSampled: true }))).toEqual(places)
  expect(heard().every(({ parentSpanId }: { parentSpanId?: string }) => parentSpanId === undefined)).toBe(true)
  expect(places.slice(0, 2).map(({ traceId }) => traceId)).toEqual([trace.traceId, trace.traceId])
  expect(new Set(places.map(({ traceId }) => traceId)).size).toBe(3)
  expect(new Set(places.map(({ spanId }) => spanId)).size).toBe(4)
})

test('a collector may be below a path, and want a header', async () => {
  vi.stubEnv('OTEL_EXPORTER_OTLP_HEADERS', 'x-key=opens')
  let key: unknown
  answer = ({ headers }, response) => {
    key = headers['x-key']
    json(response, 200, {})
  }
  await tracing.close()
  tracing = begin(`${collector.url}/otlp/`)
  tracing.begin('client', 'list').end(row)
  await tracing.close()
  expect(collector.heard).toMatchObject([{ url: '/otlp/v1/traces' }])
  expect(key).toBe('opens')
})

test('that spans are lost is told once, and once that they are not any more', async () => {
  const lose = async (status: number, times: number) => {
    answer = (_, response) => json(response, status, {})
    const before = collector.heard.length
    for (let left = times; left > 0; left -= 1) {
      tracing.begin('client', 'list').end(row)
      const came = before + times - left + 1
      await expect.poll(() => collector.heard.length, { timeout: 5_000 }).toBe(came)
    }
  }
  await lose(400, 2)
  await expect.poll(() => events).toEqual(['spans-lost'])
  await lose(200, 2)
  await expect.poll(() => events).toEqual(['spans-lost', 'spans-exported'])
})

test('whoever does not prove its name gets no span, whatever the environment says', async () => {
  vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0')
  const stranger = await holdServer(await liveRoot('stranger'), ['localhost'])
  await using other = await liveServer(stranger, (_, response) => json(response, 200, {}))
  await tracing.close()
  tracing = begin(other.url)
  tracing.begin('client', 'list').end(row)
  await expect.poll(() => events, { timeout: 5_000 }).toEqual(['spans-lost'])
  expect(other.heard).toEqual([])
})

test('the end does not wait for a collector that says nothing', async () => {
  answer = () => {}
  tracing.begin('client', 'list').end(row)
  const began = performance.now()
  await tracing.close()
  expect(collector.heard).toHaveLength(1)
  expect(performance.now() - began).toBeLessThan(4_000)
})
