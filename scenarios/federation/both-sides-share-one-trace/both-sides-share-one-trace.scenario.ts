import { expect, scenario } from 'holdfast/vitest'
import { type Asking, inboundPeer, lend } from '../asking.ts'
import { type Federation, federation, type Reply } from '../federation.ts'
import { oids, unauthorized } from '../lending.ts'
import { expectRefused } from '../refusals.ts'

const port = 4318
const collected = {
  OTEL_EXPORTER_OTLP_ENDPOINT: `https://ca.somebiz.local.io:${port}`,
  NODE_EXTRA_CA_CERTS: '../../anchors/somebiz.pem',
}
/** C has no collector. */
const env = { 'gateway-a/gateway': collected, 'gateway-b/gateway': collected }
const test = scenario('federation', { own: true, set: { askers: 2 }, env }).extend('federation', federation)

const above = { traceId: '4bf92f3577b34da6a3ce929d0e0e4736', spanId: '00f067aa0ba902b7' }
const traceparent = `00-${above.traceId}-${above.spanId}-01`
/** What whoever asks says of his trace beside that, and nobody is to learn. */
const secret = 'secret7f3e91b2c4'
const beside = [
  ['tracestate', `vendor=${secret}`],
  ['baggage', `user=${secret}`],
] as const
type Lines = readonly (readonly [name: string, value: string])[]

type Collector = Awaited<ReturnType<Federation['collector']>>

/** What there is about a grant, once it is so much. */
function spansOf({ site }: Federation, collector: Collector, grantId: string, count: number) {
  const look = () => {
    const found = collector.spans.filter(({ attributes }) => attributes.grant === grantId)
    return found.length >= count && found
  }
  return site.until(`${count} spans about grant ${grantId}`, look, { withinMs: 10_000 })
}

/** A row of the lender that is lent, and a word of it. */
function lent(federation: Federation) {
  const seed = federation.seed('b')
  const row = seed.visible('alice', 'tasks')[0]!
  return { row, marker: seed.markersOf([row])[0]! }
}

/** The four things that a user can ask of a peer. */
async function askAll({ user, source }: Asking, row: string, headers: Lines): Promise<Reply<unknown>[]> {
  const post = (path: string, json: object) => user.call('POST', `/api/query/${path}`, { source, ...json }, { headers })
  return [
    await post('list/tasks', { limit: 7 }),
    await post(`get/tasks/${row}`, {}),
    await post('search', { q: 'mark' }),
    await user.call('GET', `/api/query/capabilities?source=${encodeURIComponent(source)}`, undefined, { headers }),
  ]
}

test.for([
  { what: 'of the user', headers: [['traceparent', traceparent]] as Lines, from: above },
  { what: 'that begins here', headers: [] as Lines, from: undefined },
])('a trace $what goes on at the lender', async ({ headers, from }, { federation }) => {
  const { site } = federation
  const collector = await federation.collector(port)
  const asking = await lend(federation)
  const { grantId } = asking
  const replies = await askAll(asking, lent(federation).row, headers)
  expect(replies.map(({ status }) => status)).toEqual([200, 200, 200, 200])
  const own = await Promise.all(replies.map(async (reply) => (await federation.decided(reply, 'a')).at(-1)!.traceId))
  const traces = from === undefined ? own : [from.traceId]
  expect(new Set(own)).toEqual(new Set(traces))
  expect(new Set(own).size).toBe(from === undefined ? 4 : 1)

  // A first list asks at which epoch the grant is.
  const verbs = ['capabilities', 'capabilities', 'get', 'list', 'search']
  const spans = await spansOf(federation, collector, grantId, 2 * verbs.length)
  const [clients, servers] = (['client', 'server'] as const).map((side) => spans.filter(({ kind }) => kind === side))
  for (const [side, found] of [['client', clients!] as const, ['server', servers!] as const]) {
    expect(found.map(({ name }) => name).sort()).toEqual(verbs.map((verb) => `federation.${side} ${verb}`))
  }
  expect(clients!.map(({ parentSpanId }) => parentSpanId)).toEqual(verbs.map(() => from?.spanId))
  const peers = { client: asking.peerId, server: await inboundPeer(federation) }
  const hosts = { client: 'gateway-a.somebiz.local.io', server: 'gateway-b.somebiz.local.io' }
  for (const { kind, attributes, resource, name } of spans) {
    const verb = name.split(' ')[1]!
    const of = verb === 'list' || verb === 'get' ? { resource: 'tasks' } : {}
    expect(attributes).toEqual({ grant: grantId, peer: peers[kind], verb, outcome: 'allowed', ...of })
    expect(resource).toEqual({ 'service.name': hosts[kind] })
  }
  for (const { name, traceId, parentSpanId } of servers!) {
    const parents = clients!.filter(({ spanId }) => spanId === parentSpanId)
    expect(parents).toMatchObject([{ traceId, name: name.replace('server', 'client') }])
    expect(traces).toContain(traceId)
  }

  // What both have written down names the same traces.
  const tracesOf = (all: readonly { name?: string; traceId?: unknown }[]) => all.map(({ traceId }) => traceId).sort()
  for (const letter of ['a', 'b']) {
    const records = (await site.decisions(`gateway-${letter}`)).filter(
      ({ principal, listener }) => principal.grantId === grantId && listener !== 'public',
    )
    const rows = (await federation.audit(letter)).filter((row) => row.grant_id === grantId && row.verb !== 'enrol')
    expect(tracesOf(records), letter).toEqual(tracesOf(servers!))
    expect(tracesOf(rows.map((row) => ({ traceId: row.trace_id }))), letter).toEqual(tracesOf(servers!))
  }
})

test('nothing that was asked, lent or proven leaves for a collector', async ({ federation }) => {
  const collector = await federation.collector(port)
  const asking = await lend(federation)
  const peer = await federation.asPeer('scope-b')
  const seed = federation.seed('b')
  const { row, marker } = lent(federation)
  const word = 'questioned5d0a7e'
  const headers: Lines = [['traceparent', traceparent], ...beside]
  const replies = await askAll(asking, row, headers)
  for (const q of [word, marker]) {
    const path = '/api/query/search'
    replies.push(await asking.user.call('POST', path, { source: asking.source, q }, { headers }))
    replies.push(await peer.search(q, {}, { headers }))
  }
  replies.push(await peer.list('tasks', { limit: 1, filter: { createdAfter: '2020-02-03T04:05:06Z' } }, { headers }))
  replies.push(await peer.list('notes', {}, { headers }), await peer.get('tasks', row, { headers }))
  expect(seed.markersIn(replies.map(({ body }) => body).join())).toContain(marker)

  const spans = [
    ...(await spansOf(federation, collector, asking.grantId, 14)),
    ...(await spansOf(federation, collector, peer.grant.grantId, 5)),
  ]
  expect(spans).toHaveLength(19)
  expect(new Set(spans.map(({ traceId }) => traceId))).toEqual(new Set([above.traceId]))
  expect(new Set(spans.flatMap(({ attributes }) => Object.keys(attributes)))).toEqual(
    new Set(['grant', 'peer', 'verb', 'resource', 'outcome']),
  )
  expect(new Set(spans.map(({ attributes }) => attributes.outcome))).toEqual(new Set(['allowed', 'denied']))
  const sent = JSON.stringify(collector.requests)
  expect(sent).toContain(peer.grant.grantId)
  const secrets = {
    ...{ word, row, secret, createdAfter: '2020-02-03', userId: asking.userId, bearer: asking.user.token },
    ...{ subject: peer.grant.subjectUserId, commonName: peer.grant.commonName, serial: peer.answer.serial },
    administrator: (await federation.asAdmin('b')).token,
  }
  expect(Object.entries(secrets).filter(([, text]) => sent.includes(text))).toEqual([])
  expect([...seed.markersIn(sent), ...federation.seed('a').markersIn(sent)]).toEqual([])
})

test('whoever is not proven is in no trace, and whoever names one wrongly in a trace of its own', async ({
  federation,
}) => {
  const { site } = federation
  const collector = await federation.collector(port)
  const peer = await federation.asPeer('scope-a')
  const { grantId } = peer.grant
  const unproven = await federation.forge(peer, { added: (all) => all.filter(({ oid }) => oid !== oids.grant) })
  const stolen = `00-${'e'.repeat(32)}-${above.spanId}-01`
  const refused = await unproven.list('tasks', {}, { headers: [['traceparent', stolen]] })
  await expectRefused(federation, refused, unauthorized('cert.oid-grant', 'oid_grant_missing'))
  expect((await federation.decided(refused))[0]).not.toHaveProperty('traceId')
  expect(await federation.audited(refused)).toMatchObject({ trace_id: null })

  const wrong: Readonly<Record<string, Lines>> = {
    nothing: [],
    'no text': [['traceparent', '']],
    'version ff': [['traceparent', traceparent.replace('00', 'ff')]],
    'more than version 00 has': [['traceparent', `${traceparent}-00`]],
    'upper case': [['traceparent', traceparent.toUpperCase()]],
    'a trace of zeros': [['traceparent', `00-${'0'.repeat(32)}-${above.spanId}-01`]],
    'a span of zeros': [['traceparent', `00-${above.traceId}-${'0'.repeat(16)}-01`]],
    'one digit too few': [['traceparent', traceparent.replace('4b', '4')]],
    'two of them': [
      ['traceparent', traceparent],
      ['traceparent', traceparent],
    ],
    'a trace in tracestate': [['tracestate', `vendor=${above.traceId}`]],
  }
  const begun: string[] = []
  for (const [what, headers] of Object.entries(wrong)) {
    const reply = await peer.list('tasks', {}, { headers })
    expect(reply.status, what).toBe(200)
    begun.push((await federation.decided(reply)).at(-1)!.traceId!)
  }
  const right = await peer.list('tasks', {}, { headers: [['traceparent', traceparent.replace('00', 'cc')]] })
  expect((await federation.decided(right)).at(-1)!.traceId).toBe(above.traceId)

  const spans = await spansOf(federation, collector, grantId, begun.length + 1)
  expect(new Set([...begun, above.traceId]).size).toBe(begun.length + 1)
  expect(spans.map(({ traceId, parentSpanId }) => [traceId, parentSpanId])).toEqual([
    ...begun.map((traceId) => [traceId, undefined]),
    [above.traceId, above.spanId],
  ])
  // Spans leave in the order in which they end.
  expect(JSON.stringify(collector.requests)).not.toContain('e'.repeat(32))
  expect(JSON.stringify(await site.decisions('gateway-b'))).not.toContain('e'.repeat(32))
})

test('a collector that is away, refuses or is mute disturbs no call, and no end', async ({ federation }) => {
  const { site } = federation
  const [asking, b] = [await lend(federation), site.node('gateway-b')]
  const search = async () => {
    const reply = await asking.user.search(lent(federation).marker, { source: asking.source })
    return { ms: reply.ms, value: reply.value }
  }
  const lost = () => b.logs().filter((line) => line.includes('"spans-lost"')).length
  const bound = site.bound(2_000)
  const same = async (what: string) => {
    const { ms, value } = await search()
    expect(value, what).toEqual(expected)
    expect(site.measured(`an answer while the collector is ${what}`, ms, bound), what).toBeLessThan(bound)
  }
  // Nobody listens there so far.
  const { value: expected } = await search()
  expect(expected).toMatchObject({ items: [{}], _partial: false })
  await same('away')
  const collector = await federation.collector(port)
  await same('there')
  await spansOf(federation, collector, asking.grantId, 2)
  const told = lost()
  for (const answer of [{ status: 400, body: secret }, { status: 503 }, 'cut'] as const) {
    collector.script('traces', answer)
    const before = collector.requests.length
    await same(JSON.stringify(answer))
    await site.until('it to have been told', () => collector.requests.length > before, { withinMs: 10_000 })
  }
  await site.until('the loss to be told of', () => lost() > told, { withinMs: 20_000 })
  expect(lost()).toBe(told + 1)
  expect(b.logs().join('\n')).not.toContain(secret)

  collector.script('traces', 'silence')
  await same('mute')
  await same('mute')
  const endsWithin = async (what: string, ms: number) => {
    const began = performance.now()
    await b.stop('gateway')
    expect(site.measured(what, performance.now() - began, site.bound(ms))).toBeLessThan(site.bound(ms))
    await b.start('gateway')
    await federation.connectAnonymously()
  }
  await endsWithin('the end beside a mute collector', 8_000)

  // What has not left when a gateway ends leaves then.
  collector.script('traces')
  const back = async () => !(await search()).value._partial
  await site.until('the lender to be asked again', back, { withinMs: 20_000 })
  const { length } = collector.spans.filter(({ kind }) => kind === 'server')
  await search()
  await endsWithin('the end', 8_000)
  expect(collector.spans.filter(({ kind }) => kind === 'server').length).toBeGreaterThan(length)
})

test('without a collector the trace goes on, and nobody makes a span', async ({ federation }) => {
  const { site } = federation
  const collector = await federation.collector(port)
  const asking = await lend(federation, { asker: 'c' })
  const reply = await asking.user.search(lent(federation).marker, { source: asking.source })
  expect(reply.value.items).toHaveLength(1)
  const { traceId } = (await federation.decided(reply, 'c')).at(-1)!
  const [server] = await spansOf(federation, collector, asking.grantId, 1)
  expect(server).toMatchObject({ traceId, kind: 'server', parentSpanId: expect.stringMatching(/^[0-9a-f]{16}$/) })
  // It would send with its end what it has.
  await site.node('gateway-c').stop('gateway')
  expect(collector.spans.filter(({ resource }) => resource['service.name']?.startsWith('gateway-c'))).toEqual([])
  expect(collector.spans.filter(({ spanId }) => spanId === server!.parentSpanId)).toEqual([])
  await site.node('gateway-c').start('gateway')
})

test('a lender is told the span above it, and nothing else that the user said of his trace', async ({ federation }) => {
  const asking = await lend(federation)
  const { server: lender } = await federation.hostileLender({ tasks: [] })
  await askAll(asking, crypto.randomUUID(), [['traceparent', traceparent], ...beside])
  expect(lender.requests.map(({ endpoint }) => endpoint).sort()).toEqual([
    ...['capabilities', 'capabilities', 'get', 'list', 'search'],
  ])
  const spans = lender.requests.map(
    ({ headers }) => /^00-([0-9a-f]{32})-([0-9a-f]{16})-01$/.exec(headers.traceparent as string)!,
  )
  expect(new Set(spans.map((one) => one[1]))).toEqual(new Set([above.traceId]))
  expect(new Set([...spans.map((one) => one[2]), above.spanId]).size).toBe(6)
  expect(JSON.stringify(lender.requests)).not.toMatch(new RegExp(`${secret}|tracestate|baggage`))
})
