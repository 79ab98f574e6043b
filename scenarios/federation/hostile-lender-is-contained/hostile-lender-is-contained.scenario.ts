import { gzipSync } from 'node:zlib'
import { expect, type IssuerAnswer, rogueAuthority, scenario } from 'holdfast/vitest'
import { type Asking, lend } from '../asking.ts'
import { type Federation, federation, type Reply } from '../federation.ts'

const test = scenario('federation', { own: true }).extend('federation', federation)

/** What the stand-in writes wherever it can: it must not come out anywhere. */
const word = 'hostile6f1d0c9b'
const owner = crypto.randomUUID()
const rows = Array.from({ length: 5 }, (_, at) => ({
  ...{ id: crypto.randomUUID(), ownerId: owner, teamId: null, title: `row ${at}`, body: 'body', status: 'open' },
  ...{ createdAt: `2026-01-0${at + 1}T00:00:00.000001Z`, updatedAt: `2026-01-0${at + 1}T00:00:00.000001Z` },
  _source: 'gateway-b.somebiz.local.io',
}))
const hit = ({ id, title, _source }: (typeof rows)[number]) => ({ resource: 'tasks', id, title, score: 1, _source })
const found = (items: readonly object[], more: object = {}) => ({ items, _truncated: false, _partial: false, ...more })
const json = (body: unknown): IssuerAnswer => ({ body })
const coded = (status: number, headers: Record<string, string> = {}): IssuerAnswer => ({
  ...{ status, headers, body: { error: { code: word, message: word, requestId: word } } },
})

/** What it answers to a search, and why that is none. */
const useless: readonly (readonly [string, IssuerAnswer, string])[] = [
  ['a redirect to itself', { status: 302, headers: { location: `/${word}` } }, 'peer_redirect'],
  [
    'a redirect that keeps the method',
    { status: 307, headers: { location: `https://${word}.test/` } },
    'peer_redirect',
  ],
  ['a page', { type: 'text/html', body: `<h1>${word}</h1>` }, 'peer_answer_invalid'],
  ['JSON by another type', { type: 'text/plain', body: JSON.stringify(found([])) }, 'peer_answer_invalid'],
  ['half of a JSON text', { body: `{"items":[{"title":"${word}` }, 'peer_answer_invalid'],
  ['an array', json([word]), 'peer_answer_invalid'],
  ['an unknown member', json(found([], { [word]: 1 })), 'peer_answer_invalid'],
  ['a row with an unknown member', json(found([{ ...hit(rows[0]!), [word]: 1 }])), 'peer_answer_invalid'],
  ['a row of an unknown resource', json(found([{ ...hit(rows[0]!), resource: word }])), 'peer_answer_invalid'],
  ['a row without an id', json(found([{ ...hit(rows[0]!), id: word }])), 'peer_answer_invalid'],
  [
    '__proto__',
    { body: `{"items":[],"_truncated":false,"_partial":false,"__proto__":{"x":"${word}"}}` },
    'peer_answer_invalid',
  ],
  [
    'a packed bomb',
    { headers: { 'content-encoding': 'gzip' }, body: gzipSync(Buffer.alloc(50_000_000)) },
    'peer_answer_invalid',
  ],
  ['201', { status: 201, body: found([]) }, 'peer_answer_invalid'],
  ['304 to whoever asked for no condition', { status: 304 }, 'peer_answer_invalid'],
  ['ten megabytes', json({ padding: word.repeat(700_000) }), 'peer_answer_too_large'],
  ['an error of its own', coded(500), 'peer_answered_error'],
  ['a bad request', coded(400), 'peer_answered_error'],
  ['unauthorized', coded(401), 'peer_answered_error'],
  ['a cut connection', 'cut', 'peer_unreachable'],
  ['silence', 'silence', 'peer_timeout'],
  ['a slow drip', 'drip', 'peer_timeout'],
]

/** How long one peer is waited for, and a second more. */
const boundMs = 6_000
/** How long anybody waits for an answer, and a second more. */
const deadlineMs = 11_000

/** Its rows are not there, and none of its words is: in the answer, or in what A writes down. */
async function expectContained(federation: Federation, reply: Reply<unknown>, what: string): Promise<void> {
  const { site } = federation
  expect(site.measured(`an answer in spite of ${what}`, reply.ms, site.bound(boundMs)), what).toBeLessThan(
    site.bound(boundMs),
  )
  const written = site.node('gateway-a').logs().join('\n') + JSON.stringify(await site.decisions('gateway-a'))
  for (const text of [reply.body, JSON.stringify(reply.headers), written]) expect(text.includes(word), what).toBe(false)
}

async function asked(federation: Federation): Promise<Asking & { search: () => ReturnType<Asking['user']['search']> }> {
  const bob = { user: await federation.asUser('a', 'bob'), userId: federation.seed('a').user('bob').id }
  const asking = await lend(federation, { as: bob as never })
  return { ...asking, search: () => asking.user.search('mark', { source: asking.source }) }
}

test('no answer of it is taken for one, and own rows come all the same (FED-44)', async ({ federation }) => {
  const { user, source, search } = await asked(federation)
  const { server: lender } = await federation.hostileLender({ tasks: rows })
  const good = async () =>
    expect((await search()).value, 'honest').toMatchObject({ _partial: false, items: { length: 5 } })
  await good()
  for (const [what, answer, reason] of useless) {
    lender.script('search', answer)
    const reply = await search()
    expect(reply.value, what).toMatchObject({
      items: [],
      _partial: true,
      _sources: [{ source, state: 'offline', reason }],
    })
    await expectContained(federation, reply, what)
    lender.script('search')
    // The circuit stays closed, and what was wrong was the answer.
    await good()
  }
  expect(lender.requests.filter(({ endpoint }) => endpoint === 'other')).toEqual([])

  lender.script('list', json({ [word]: 1 }))
  const { items, ...rest } = (await user.list('tasks', { source: 'all' })).value
  expect(items.map(({ id }) => id).sort()).toEqual(federation.seed('a').visible('bob', 'tasks'))
  expect(rest).toMatchObject({ _partial: true })
  lender.script('get', json({ item: { ...rows[0], [word]: 1 } }))
  const one = await user.getRow('tasks', rows[0]!.id, { source })
  expect([one.status, await federation.reason(one, 'a')]).toEqual([503, 'peer_answer_invalid'])
  await expectContained(federation, one, 'a row')
})

test('what it refuses is refused in our words', async ({ federation }) => {
  const { source, search } = await lendOnce(federation)
  const { server: lender } = await federation.hostileLender({ tasks: rows })
  const cases = [
    [coded(403), 403, 'forbidden', 'peer_refused'],
    [coded(404), 404, 'not_found', 'peer_row_absent'],
    [coded(429, { 'retry-after': word }), 429, 'rate_limited', 'peer_rate_limited'],
    [coded(429, { 'retry-after': '999999999' }), 429, 'rate_limited', 'peer_rate_limited'],
  ] as const
  for (const [answer, status, code, reason] of cases) {
    lender.script('search', answer)
    const reply = await search()
    expect([reply.status, reply.error?.code, await federation.reason(reply, 'a')], reason).toEqual([
      status,
      code,
      reason,
    ])
    if (status === 429) expect(Number(reply.header('retry-after'))).toBeLessThanOrEqual(3_600)
    await expectContained(federation, reply, `${status} of ${source}`)
  }
})

test('rows beyond what was asked for are cut, and a name that is not its own is written over', async ({
  federation,
}) => {
  const { user, source } = await lendOnce(federation)
  const { server: lender } = await federation.hostileLender({ tasks: rows })
  const list = (limit: number) => user.list('tasks', { source, limit })
  lender.script('list', json({ ...found(rows), nextCursor: null }))
  const more = (await list(3)).value
  expect(more).toMatchObject({ _partial: true, _sources: [{ reason: 'peer_rows_over_cap', truncated: true }] })
  expect(more.items).toHaveLength(3)

  for (const name of ['local', 'federated:gateway-a.somebiz.local.io', word]) {
    lender.script('list', json({ ...found(rows.map((row) => ({ ...row, _source: name }))), nextCursor: null }))
    const reply = await list(10 + name.length)
    expect(new Set(reply.value.items.map(({ _source }) => _source))).toEqual(new Set([source]))
    expect(reply.value).toMatchObject({ _partial: true, _sources: [{ state: 'ok', reason: 'peer_source_spoofed' }] })
    await expectContained(federation, reply, name)
  }
  lender.script('list')
  expect((await list(40)).value).toMatchObject({ _partial: false, items: { length: 5 } })
})

test('whoever has not proven the name by its CA is sent no request (TLS-11)', async ({ federation }) => {
  const { source, search } = await lendOnce(federation)
  const { server: lender, certified } = await federation.hostileLender({ tasks: rows })
  const host = federation.site.plan.nodes['gateway-b']!.host
  expect((await search()).value._partial).toBe(false)
  const claims = {
    'a CA that nobody named': { authority: await rogueAuthority() },
    'the name as common name alone': { sans: [] },
    'another name': { sans: ['gateway-a.somebiz.local.io'] },
    'a name around it': { sans: [`x.${host}`, `${host}.test`] },
    'the names beside it': { sans: ['*.local.io'] },
  }
  for (const [what, claim] of Object.entries(claims)) {
    const before = lender.requests.length
    lender.present(await certified(claim))
    const reply = await search()
    const [report] = reply.value._sources
    expect(report, what).toMatchObject({ source, state: 'offline', reason: 'peer_tls_untrusted' })
    expect(lender.requests, what).toHaveLength(before)
    lender.present(await certified())
    expect((await search()).value._partial, what).toBe(false)
  }
})

test('whoever renews by a lender that is silent is told so in time, and what it had stays', async ({
  federation,
  site,
}) => {
  const { peerId: id, search } = await lendOnce(federation)
  const admin = await federation.asAdmin('a')
  const renew = () => admin.try('peer:renew', { parameters: { id } })
  const current = async () =>
    (await admin.ask('peer:show', { parameters: { id } })).certificates.find(({ state }) => state === 'current')!.serial
  expect((await renew()).status).toBe(200)
  const before = await current()

  const { server: lender, restore } = await federation.hostileLender({ tasks: rows })
  lender.script('renew', 'silence')
  const late = await renew()
  expect([late.status, late.error?.code]).toEqual([503, 'dependency_unavailable'])
  expect(await federation.decided(late, 'a')).toMatchObject([
    { verdict: 'refused', status: 503, guard: 'http.deadline', reason: 'deadline_exceeded' },
  ])
  expect(site.measured('a renewal in silence is refused', late.ms, site.bound(deadlineMs))).toBeLessThan(
    site.bound(deadlineMs),
  )
  expect(await current()).toBe(before)
  expect((await search()).value._partial).toBe(false)

  await restore()
  const isRenewed = async () => (await renew()).status === 200
  await site.until('it to be renewed by the lender itself', isRenewed, { withinMs: 30_000, everyMs: 250 })
  expect(await current()).not.toBe(before)
})

const lendOnce = async (federation: Federation) => {
  const asking = await lend(federation)
  return { ...asking, search: () => asking.user.search('mark', { source: asking.source }) }
}
