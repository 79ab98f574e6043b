import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { hashOfToken, makeToken } from '../enrolment/token.ts'
import { Cursors } from '../lending/cursors.ts'
import { lendingVerbs } from '../lending/verbs.ts'
import { Refused } from '../listeners/exchange.ts'
import { RateLimit } from '../listeners/rate-limits.ts'
import { createOutboundPeers, type OutboundPeers } from '../outbound/peers.ts'
import { RESOURCES } from '../scope/resources.ts'
import { storeUserToken } from '../storage/bearer-tokens.ts'
import { Database } from '../storage/database.ts'
import { nativeUser } from '../storage/rights.ts'
import { sql } from '../storage/statement.ts'
import type { TestDatabase } from '../storage/testing/cluster.ts'
import { databaseForEach } from '../storage/testing/for-each.ts'
import { makeTenant, type TestTenant } from '../storage/testing/tenant.ts'
import { changeRights } from '../storage/users.ts'
import { type Asking, type EnrolledPeer, enrol, makeAsking } from '../testing/asking.ts'
import { GRANT } from '../testing/certificates.ts'
import { type Lending, lend, lentGrant, makeSite, type Site } from '../testing/federation.ts'
import { type Answer, type LiveServer, liveServer } from '../testing/live.ts'
import { lastRefusal, openPublic, type PublicSite } from '../testing/public.ts'
import { type ErrorCode, refused } from '../wire/errors.ts'
import { queryRoutes } from './routes.ts'

let site: Site
let database: TestDatabase
let tenant: TestTenant
let asking: Asking
let peers: OutboundPeers
let open: PublicSite
let lending: Lending[]
let servers: LiveServer[]
let tokens: { alice: string; bob: string }

beforeAll(async () => {
  site = await makeSite()
})
databaseForEach(async (mine) => {
  database = mine
  tenant = await makeTenant(mine.owner)
})
beforeEach(async () => {
  lending = []
  servers = []
  asking = makeAsking(database.app)
  peers = createOutboundPeers(asking.deps)
  tokens = { alice: await tokenOf(tenant.alice), bob: await tokenOf(tenant.bob) }
  open = await openQueries()
})
afterEach(async () => {
  await open[Symbol.asyncDispose]()
  await peers.close()
  for (const one of lending) await one[Symbol.asyncDispose]()
  for (const one of servers) await one[Symbol.asyncDispose]()
})

/** Far more than a busy machine takes, but for tests of peers that take it. */
const DEADLINE_MS = 9_000
const SHORT_MS = 3_000
const openQueries = (session: Database = database.app, deadlineMs = DEADLINE_MS, storeMs?: number) => {
  const bearers = { session, failures: new RateLimit(), mostFailures: 20, now: Date.now }
  const cursors = new Cursors(undefined, Buffer.alloc(32))
  return openPublic(
    site,
    queryRoutes({ ...bearers, cursors, peers, deadlineMs }),
    storeMs === undefined ? {} : { storeMs },
  )
}
async function tokenOf(userId: string): Promise<string> {
  const { token } = makeToken()
  await storeUserToken(database.app, {
    tenantId: tenant.tenantId,
    userId,
    sha256: hashOfToken(token),
    expiresAt: null,
  })
  return token
}

interface Body {
  items: { id: string; _source: string; title: string }[]
  item: { id: string; _source: string }
  nextCursor: string | null
  _truncated: boolean
  _partial: boolean
  _cached: boolean
  _sources: { source: string; state: string; reason?: string; cached: boolean; truncated: boolean }[]
  _notices: { code: string; source: string; since: string }[]
  resources: string[]
  excluded_resources: string[]
  max_rows_per_query: number
  error: { code: ErrorCode }
}

async function ask(path: string, body: object = {}, more: { token?: string; headers?: Record<string, string> } = {}) {
  const { status, headers, text } = await open.call('POST', `/api/query/${path}`, {
    ...{ token: tokens.alice, body },
    ...more,
  })
  return { status, headers, text, body: JSON.parse(text) as Body }
}
const capabilities = async (source: string, token = tokens.alice) => {
  const answer = await open.call('GET', `/api/query/capabilities?source=${source}`, { token })
  return { ...answer, body: JSON.parse(answer.text) as Body }
}
const sourcesOf = ({ body }: { body: Body }) =>
  body._sources.map(({ source, state, reason }) => [source, state, ...(reason === undefined ? [] : [reason])].join(' '))
const titlesOf = ({ body }: { body: Body }) => body.items.map(({ title }) => title)

let clock = 0
async function addTask(title: string, { owner = tenant.alice, team = null as string | null, at = ++clock } = {}) {
  const id = crypto.randomUUID()
  await database.owner.query(sql`INSERT INTO tasks (id, tenant_id, owner_id, team_id, title, created_at)
    VALUES (${id}::uuid, ${tenant.tenantId}::uuid, ${owner}::uuid, ${team}::uuid, ${title},
      '2026-01-31T09:00:00Z'::timestamptz + make_interval(secs => ${at}))`)
  return id
}
const instantAt = (second: number) => `2026-01-31T09:00:${String(second).padStart(2, '0')}.000000Z`
const lentTask = (title: string, second = 0, id = crypto.randomUUID()) => ({
  ...{ id, ownerId: id, teamId: null, title, body: '', status: 'open', createdAt: instantAt(second) },
  ...{ updatedAt: instantAt(second), _source: 'b.example' },
})
const lentHit = (title: string, id = crypto.randomUUID()) => ({
  ...{ resource: 'tasks', id, title, score: 1, _source: 'b.example' },
})

/** A lender with a peer of alice's for it. What it lends is for a test to say. */
async function lender(
  commonName = 'b.example',
  changes: Partial<EnrolledPeer> = {},
): Promise<Lending & { peerId: string }> {
  const one = await lend(site)
  lending.push(one)
  const peerId = await peer(commonName, { federationUrl: one.url, ...changes }, one)
  one.verbs.list = async () => listed([])
  return Object.assign(one, { peerId })
}
async function peer(commonName: string, changes: Partial<EnrolledPeer>, at?: Lending): Promise<string> {
  const { tenantId, alice: ownerUserId } = tenant
  const base = { tenantId, ownerUserId, commonName, federationUrl: 'https://localhost:1' }
  const { id, x5t } = await enrol(asking, { ...base, root: site.root, ca: site.intermediate, ...changes })
  if (at !== undefined) at.registered = { grantId: GRANT, x5t, status: 'active', supersededAt: null }
  return id
}
/** A lender that does as it likes. */
async function hostile(commonName: string, answer: Answer): Promise<LiveServer> {
  const { server, root } = site
  const tls = { cert: server.cert, key: server.key, requestCert: true, ca: String(root.certificate) }
  const one = await liveServer({ ...tls, minVersion: 'TLSv1.3' }, answer)
  servers.push(one)
  await peer(commonName, { federationUrl: one.url })
  return one
}
const listed = (items: object[], more: object = {}) => {
  const body = { items, nextCursor: null as string | null, _truncated: false, _partial: false, ...more }
  return { status: 200, body, rowsOut: items.length }
}
const refuses = (code: ErrorCode, reason: string, retryAfter?: number) => async () => {
  throw new Refused('of.the-lender', refused(code, reason, retryAfter))
}
const B = 'federated:b.example'

describe('our own rows', () => {
  test('are those that the user sees natively, whatever it lends', async () => {
    await addTask('own')
    await addTask('of the team', { owner: tenant.bob, team: tenant.team })
    await addTask('of bob', { owner: tenant.bob })
    const { tenantId, alice: id } = tenant
    await changeRights(database.app, { tenantId, id }, { sharePersonal: false })
    const answer = await ask('list/tasks')
    expect(titlesOf(answer)).toEqual(['of the team', 'own'])
    expect(answer.body).toMatchObject({
      nextCursor: null,
      _truncated: false,
      _partial: false,
      _cached: false,
      _notices: [],
    })
    expect(answer.body._sources).toEqual([{ source: 'local', state: 'ok', cached: false, truncated: false }])
    expect(answer.body.items.every(({ _source }) => _source === 'local')).toBe(true)
    expect(titlesOf(await ask('list/tasks', {}, { token: tokens.bob }))).toEqual(['of bob'])
    expect(titlesOf(await ask('search', { q: 'of' }))).toEqual(['of the team'])
    expect(open.decisions.at(-1)).toMatchObject({ action: 'query:search', principal: { userId: tenant.alice } })
  })

  test('come page by page, by cursors of that query of that user', async () => {
    for (const title of ['1', '2', '3']) await addTask(title)
    const first = await ask('list/tasks', { limit: 2 })
    expect([titlesOf(first), first.body._truncated, first.body._partial]).toEqual([['3', '2'], true, false])
    const cursor = first.body.nextCursor!
    expect(cursor.startsWith('local~')).toBe(true)
    const second = await ask('list/tasks', { limit: 2, cursor })
    expect([titlesOf(second), second.body.nextCursor]).toEqual([['1'], null])
    await lender()
    const before = open.decisions.length
    for (const [body, token] of [
      [{ limit: 3, cursor }, tokens.alice],
      [{ limit: 2, cursor: cursor.slice('local~'.length) }, tokens.alice],
      [{ limit: 2, cursor: `${cursor}x` }, tokens.alice],
      [{ limit: 2, cursor: 'local~' }, tokens.alice],
      [{ limit: 2, cursor, source: B }, tokens.alice],
      [{ limit: 2, cursor, source: 'all' }, tokens.alice],
      [{ limit: 2, cursor }, tokens.bob],
    ] as const) {
      expect((await ask('list/tasks', body, { token })).status).toBe(400)
      expect(lastRefusal(open)).toBe('refused 400 api.body api_body')
    }
    expect(open.decisions.length - before).toBe(7)
  })

  test('are got by their ids, and what is not the user’s is answered as what is not there', async () => {
    const [own, of] = [await addTask('own'), await addTask('of bob', { owner: tenant.bob })]
    expect((await ask(`get/tasks/${own}`)).body).toMatchObject({
      ...{ item: { id: own, _source: 'local' }, _cached: false, _notices: [] },
      _sources: [{ source: 'local', state: 'ok' }],
    })
    const shown = new Set<string>()
    for (const [id, reason] of [
      [crypto.randomUUID(), 'row_absent'],
      [of, 'row_not_visible'],
    ] as const) {
      const { status, text } = await ask(`get/tasks/${id}`)
      expect([status, lastRefusal(open)]).toEqual([404, `refused 404 scope.rows ${reason}`])
      shown.add(text.replace(/"requestId":"[^"]*"/, ''))
    }
    expect(shown.size).toBe(1)
  })

  test('of a type that was taken away from the user are refused, and others are not', async () => {
    await addTask('own')
    const { tenantId, alice: id } = tenant
    await changeRights(database.app, { tenantId, id }, { deniedResources: ['tasks'] })
    for (const path of ['list/tasks', `get/tasks/${id}`]) {
      expect((await ask(path)).status).toBe(403)
      expect(lastRefusal(open)).toBe('refused 403 rbac.resource rbac_denied')
    }
    expect((await ask('search', { q: 'own', resources: ['tasks'] })).status).toBe(403)
    expect((await ask('list/notes')).status).toBe(200)
    expect(titlesOf(await ask('search', { q: 'own' }))).toEqual([])
    expect((await capabilities('local')).body).toMatchObject({
      resources: RESOURCES.filter((name) => name !== 'tasks'),
      excluded_resources: ['tasks'],
      ...{ max_rows_per_query: 1000, supported_verbs: ['list', 'get', 'search', 'capabilities'] },
    })
    const all = await ask('list/tasks', { source: 'all' })
    expect([all.status, all.body._partial, sourcesOf(all)]).toEqual([200, true, ['local refused rbac_denied']])
  })
})

describe('a request is refused', () => {
  test.each<[what: string, path: string, body: object, status: number, refusal: string]>([
    ['for what does not exist', 'list/Tasks', {}, 404, 'scope.resource resource_unknown'],
    ['for what does not exist, of a peer', 'list/Tasks', { source: B }, 404, 'scope.resource resource_unknown'],
    ['that searches in it', 'search', { q: 'x', resources: ['tasks', 'mail'] }, 404, 'scope.resource resource_unknown'],
    ['with an unknown member', 'list/tasks', { subject: 'x' }, 400, 'api.body api_body'],
    [
      'with a member that is one of every object',
      'list/tasks',
      JSON.parse('{"__proto__":{"limit":5}}'),
      400,
      'api.body api_body',
    ],
    ['with it in a search', 'search', JSON.parse('{"q":"x","__proto__":{}}'), 400, 'api.body api_body'],
    ['with a filter of something else', 'list/memory', { filter: { status: 'open' } }, 400, 'api.body api_body'],
    ['with too many rows', 'list/tasks', { limit: 1001 }, 400, 'api.body api_body'],
    ['for no id', 'get/tasks/7', {}, 400, 'api.body api_body'],
    ['without words', 'search', {}, 400, 'api.body api_body'],
    ['with a large body', 'search', { q: 'x'.repeat(20_000) }, 413, 'api.body api_too_large'],
    ['of no source', 'list/tasks', { source: 'federated' }, 404, 'qry.source source_unknown'],
    ['of an unknown one', 'list/tasks', { source: 'federated:c.example' }, 404, 'qry.source source_unknown'],
    ['for one row of all', `get/tasks/${GRANT}`, { source: 'all' }, 400, 'qry.source source_not_single'],
  ])('%s', async (_, path, body, status, refusal) => {
    await lender()
    expect((await ask('list/tasks', { source: B })).status).toBe(200)
    expect((await ask(path, body)).status).toBe(status)
    expect(lastRefusal(open)).toBe(`refused ${status} ${refusal}`)
  })

  test('without a token, and of who is out of use', async () => {
    expect((await open.call('POST', '/api/query/list/tasks', { body: {} })).status).toBe(401)
    expect(lastRefusal(open)).toBe('refused 401 api.token bearer_missing')
    const { tenantId, alice: id } = tenant
    await changeRights(database.app, { tenantId, id }, { isDisabled: true })
    expect((await ask('list/tasks')).status).toBe(403)
    expect(lastRefusal(open)).toBe('refused 403 api.user user_disabled')
  })

  test('alike for what is of nobody and what is of somebody else', async () => {
    const one = await lender()
    one.verbs.list = async () => listed([lentTask('of b')])
    expect(titlesOf(await ask('list/tasks', { source: B }))).toEqual(['of b'])
    const shown = []
    for (const source of [B, 'federated:c.example']) {
      for (const path of ['list/tasks', `get/tasks/${GRANT}`, 'search']) {
        const answer = await ask(path, { source, ...(path === 'search' && { q: 'x' }) }, { token: tokens.bob })
        shown.push(answer.text.replace(/"requestId":"[^"]*"/, ''))
        expect([answer.status, lastRefusal(open)]).toEqual([404, 'refused 404 qry.source source_unknown'])
      }
      expect((await capabilities(source, tokens.bob)).status).toBe(404)
    }
    expect(new Set(shown).size).toBe(1)
    expect(sourcesOf(await ask('list/tasks', { source: 'all' }, { token: tokens.bob }))).toEqual(['local ok'])
    expect(one.entries).toHaveLength(2)
  })

  test('where the database says nothing, whatever is in memory', async () => {
    await lender()
    expect((await ask('list/tasks', { source: B })).status).toBe(200)
    await open[Symbol.asyncDispose]()
    const lost = new Database({ url: database.url, role: 'gateway_app', withinMs: 500 })
    open = await openQueries(lost)
    expect((await ask('list/tasks', { source: B })).status).toBe(200)
    await lost[Symbol.asyncDispose]()
    expect((await ask('list/tasks', { source: B })).status).toBe(503)
    expect(lastRefusal(open)).toBe('refused 503 store.available database_unavailable')
  })

  test('waits for the database so long in all, however long each statement could take', async () => {
    await open[Symbol.asyncDispose]()
    open = await openQueries(database.app, DEADLINE_MS, 3_000)
    expect((await ask('list/tasks')).status).toBe(200)
    await database.owner.transaction(async (locking) => {
      await locking.query(sql`LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE`)
      expect((await ask('list/tasks')).status).toBe(503)
      expect(lastRefusal(open)).toBe('refused 503 store.available database_unavailable')
    })
    await database.owner.transaction(async (locking) => {
      await locking.query(sql`LOCK TABLE users IN ACCESS EXCLUSIVE MODE`)
      expect((await ask('list/tasks')).status).toBe(503)
      expect(lastRefusal(open)).toBe('refused 503 store.available database_unavailable')
    })
  })
})

describe('one peer', () => {
  test('lends its rows, page by page, and a second list comes from memory', async () => {
    const one = await lender()
    const bodies: unknown[] = []
    one.verbs.cursor = () => ({ createdAt: instantAt(1), id: GRANT })
    one.verbs.list = async (_, __, request) => {
      bodies.push(request)
      return request.cursor === undefined
        ? listed([lentTask('2', 2)], { nextCursor: 'next~page', _truncated: true })
        : listed([lentTask('1', 1)])
    }
    const query = { source: B, limit: 1, filter: { status: 'open' } }
    const first = await ask('list/tasks', query)
    expect(first.body).toMatchObject({
      items: [{ title: '2', _source: B }],
      ...{ nextCursor: `${B}~next~page`, _truncated: true, _partial: false, _cached: false, _notices: [] },
      _sources: [{ source: B, state: 'ok', cached: false, truncated: true }],
    })
    const again = await ask('list/tasks', query)
    expect(again.body).toMatchObject({
      items: first.body.items,
      _cached: true,
      _sources: [{ source: B, cached: true }],
    })
    const second = await ask('list/tasks', { ...query, cursor: first.body.nextCursor })
    expect([titlesOf(second), second.body.nextCursor]).toEqual([['1'], null])
    const { source: _, ...sent } = query
    expect(bodies).toEqual([sent, { ...sent, cursor: 'next~page' }])
    expect(one.entries.map(({ status }) => status)).toEqual([200, 200, 304, 200])
  })

  test('is asked for one row, for hits, and for what it lends', async () => {
    const one = await lender()
    const task = lentTask('of b')
    one.verbs.get = async (_, __, id) => ({ status: 200, body: { item: { ...task, id } }, rowsOut: 1 })
    one.verbs.search = async () => ({ status: 200, body: { items: [lentHit('x')], _truncated: true, _partial: false } })
    expect((await ask(`get/tasks/${task.id}`, { source: B })).body).toMatchObject({
      ...{ item: { id: task.id, _source: B }, _sources: [{ source: B, state: 'ok' }], _partial: false },
    })
    expect((await ask('search', { q: 'x', source: B })).body).toMatchObject({
      ...{ items: [{ title: 'x', _source: B }], _truncated: true, _partial: false, _sources: [{ truncated: true }] },
    })
    expect((await capabilities(B)).body).toMatchObject({
      ...{ resources: ['tasks'], excluded_resources: [], max_rows_per_query: 100, grant_expires_at: null },
      ...{ _sources: [{ source: B, state: 'ok' }], _cached: false, _notices: [] },
    })
    expect((await capabilities('all')).status).toBe(400)
  })

  test.each<[what: string, act: (lending: Lending) => void, status: number, code: ErrorCode, reason: string]>([
    ['a grant', (one) => (one.grant = lentGrant({ status: 'revoked' })), 403, 'forbidden', 'peer_refused'],
    [
      'too many',
      (one) => Object.assign(one.verbs, { list: refuses('rate_limited', 'rate_grant', 17) }),
      429,
      'rate_limited',
      'peer_rate_limited',
    ],
  ])('that refuses %s is passed on, and among others it is named', async (_, act, status, code, reason) => {
    await addTask('own')
    const one = await lender()
    expect((await ask('list/tasks', { source: B })).status).toBe(200)
    act(one)
    const answer = await ask('list/tasks', { source: B, limit: 7 })
    expect([answer.status, answer.body.error.code]).toEqual([status, code])
    expect(answer.headers['retry-after']).toBe(status === 429 ? '17' : undefined)
    expect(lastRefusal(open)).toBe(`refused ${status} out.status ${reason}`)
    const all = await ask('list/tasks', { source: 'all', limit: 7 })
    expect([titlesOf(all), all.body._partial, sourcesOf(all)]).toEqual([
      ['own'],
      true,
      ['local ok', `${B} refused ${reason}`],
    ])
  })

  test('that has no such row is passed on', async () => {
    const one = await lender()
    one.verbs.get = refuses('not_found', 'row_absent')
    expect((await ask(`get/tasks/${GRANT}`, { source: B })).status).toBe(404)
    expect(lastRefusal(open)).toBe('refused 404 out.status peer_row_absent')
  })

  test('that is away is told beside no rows, once to each session', async () => {
    await addTask('own')
    const one = await lender()
    await one.listener.close(0)
    const first = await ask('list/tasks', { source: B })
    expect([first.status, first.body.items, first.body._partial, sourcesOf(first)]).toEqual([
      ...[200, [], true],
      [`${B} offline peer_unreachable`],
    ])
    expect(first.body._notices).toMatchObject([{ code: 'peer_offline', source: B }])
    expect(open.decisions.at(-1)).toMatchObject({
      verdict: 'accepted',
      guard: 'out.server',
      reason: 'peer_unreachable',
    })
    const search = await ask('search', { source: B, q: 'x' })
    expect([search.status, search.body.items, search.body._partial, search.body._notices]).toEqual([200, [], true, []])
    const other = await ask('list/tasks', { source: 'all' }, { token: await tokenOf(tenant.alice) })
    expect([titlesOf(other), sourcesOf(other)]).toEqual([['own'], ['local ok', `${B} offline peer_unreachable`]])
    expect(other.body._notices).toHaveLength(1)
    expect((await ask(`get/tasks/${GRANT}`, { source: B })).status).toBe(503)
    expect(lastRefusal(open)).toBe('refused 503 out.server peer_unreachable')
    const gone = await capabilities(B)
    expect([gone.status, gone.body.error.code]).toEqual([503, 'peer_unavailable'])
    const last = await ask('list/tasks', { source: B })
    expect(sourcesOf(last)).toEqual([`${B} offline circuit_open`])
    expect(asking.events.filter(({ event }) => event === 'peer.offline')).toHaveLength(1)
  })

  test.each<[state: string, status: number, reason: string]>([
    ['pending', 503, 'peer_pending'],
    ['expired', 503, 'peer_expired'],
    ['broken', 503, 'peer_broken'],
    ['revoked', 403, 'peer_revoked'],
  ])('that is %s is not asked, and skipped among others', async (state, status, reason) => {
    const one = await lender()
    expect((await ask('list/tasks', { source: B })).status).toBe(200)
    const asked = one.entries.length
    await database.app.query(sql`UPDATE federation_peers SET state = ${state}::peer_state`)
    for (const path of ['list/tasks', `get/tasks/${GRANT}`]) {
      expect((await ask(path, { source: B })).status).toBe(status)
      expect(lastRefusal(open)).toBe(`refused ${status} qry.peer ${reason}`)
    }
    const all = await ask('list/tasks', { source: 'all' })
    expect([sourcesOf(all), all.body._partial]).toEqual([['local ok', `${B} skipped ${reason}`], state !== 'pending'])
    expect(one.entries).toHaveLength(asked)
    await database.app.query(sql`UPDATE federation_peers SET state = 'degraded'`)
    expect((await ask('list/tasks', { source: B })).status).toBe(200)
  })

  test('that gives more than was asked for, or another name to its rows, has them cut, and says so', async () => {
    const one = await lender()
    one.verbs.list = async () => listed([lentTask('2', 2), lentTask('1', 1)])
    const cut = await ask('list/tasks', { source: B, limit: 1 })
    expect([titlesOf(cut), cut.body._partial, cut.body._truncated]).toEqual([['2'], true, true])
    expect(open.decisions.at(-1)).toMatchObject({
      verdict: 'accepted',
      guard: 'out.rows',
      reason: 'peer_rows_over_cap',
    })
    one.verbs.list = async () => listed([{ ...lentTask('2', 2), _source: 'local' }])
    const spoofed = await ask('list/tasks', { source: B, limit: 2 })
    expect([spoofed.body.items.map(({ _source }) => _source), spoofed.body._partial]).toEqual([[B], true])
    expect(open.decisions.at(-1)).toMatchObject({ verdict: 'accepted', reason: 'peer_source_spoofed' })
  })
})

describe('all of them', () => {
  test('are asked at once, and their rows merged by time and tagged', async () => {
    await addTask('own 4', { at: 4 })
    await addTask('own 2', { at: 2 })
    const [b, c] = [await lender(), await lender('c.example')]
    b.verbs.list = async () => listed([lentTask('b 5', 5), lentTask('b 2', 2)])
    c.verbs.list = async () => listed([{ ...lentTask('c 3', 3), _source: 'c.example' }])
    const answer = await ask('list/tasks', { source: 'all' })
    expect(titlesOf(answer)).toEqual(['b 5', 'own 4', 'c 3', 'b 2', 'own 2'])
    expect(new Set(answer.body.items.map(({ _source }) => _source))).toEqual(
      new Set([B, 'local', 'federated:c.example']),
    )
    expect(answer.body).toMatchObject({ nextCursor: null, _truncated: false, _partial: false, _cached: false })
    expect(sourcesOf(answer)).toEqual(['local ok', `${B} ok`, 'federated:c.example ok'])
    expect((await ask('list/tasks', { source: 'all' })).body._cached).toBe(true)
    const fewer = await ask('list/tasks', { source: 'all', limit: 2 })
    expect([titlesOf(fewer), fewer.body._truncated, fewer.body._partial]).toEqual([['b 5', 'own 4'], true, true])
    // No more than asked for, and more at one of them.
    c.verbs.list = async () => listed([], { nextCursor: 'c', _truncated: true })
    const more = await ask('list/tasks', { source: 'all', limit: 7 })
    expect([more.body._truncated, more.body._partial, more.body.nextCursor]).toEqual([true, true, null])
  })

  test('are searched, and hits come by their rank', async () => {
    await addTask('own word')
    const [b, c] = [await lender(), await lender('c.example')]
    const hits =
      (...titles: string[]) =>
      async () => ({
        ...{ status: 200, body: { items: titles.map((title) => lentHit(title)), _truncated: false, _partial: false } },
      })
    b.verbs.search = hits('b1', 'b2')
    c.verbs.search = hits('c1', 'c2', 'c3')
    const answer = await ask('search', { q: 'word', source: 'all' })
    expect(titlesOf(answer)).toEqual(['own word', 'b1', 'c1', 'b2', 'c2', 'c3'])
    expect(answer.body).not.toHaveProperty('nextCursor')
    const fewer = await ask('search', { q: 'word', source: 'all', limit: 3 })
    expect([titlesOf(fewer), fewer.body._truncated, fewer.body._partial]).toEqual([
      ['own word', 'b1', 'c1'],
      true,
      true,
    ])
  })

  test.each<[what: string, reason: string, answer: Answer]>([
    ['hangs', 'peer_timeout', () => {}],
    [
      'leads elsewhere',
      'peer_redirect',
      (_, response) => response.writeHead(302, { location: 'https://c.example' }).end(),
    ],
    ['answers with a page', 'peer_answer_invalid', (_, response) => response.writeHead(200).end('<html>')],
    [
      'answers without an end',
      'peer_answer_too_large',
      (_, response) => {
        response.writeHead(200, { 'content-type': 'application/json' })
        const more = () => response.destroyed || response.write('x'.repeat(1_000_000), () => setImmediate(more))
        more()
      },
    ],
  ])('but for one that %s', async (_, reason, answer) => {
    await addTask('own')
    const b = await lender()
    b.verbs.list = async () => listed([lentTask('b')])
    const one = await hostile('c.example', answer)
    await open[Symbol.asyncDispose]()
    open = await openQueries(database.app, SHORT_MS)
    const begun = performance.now()
    const all = await ask('list/tasks', { source: 'all' })
    expect(titlesOf(all).toSorted()).toEqual(['b', 'own'])
    expect(all.body._partial).toBe(true)
    expect(sourcesOf(all)).toEqual(['local ok', `${B} ok`, `federated:c.example offline ${reason}`])
    expect(performance.now() - begun).toBeLessThan(2 * SHORT_MS)
    expect(one.heard).toHaveLength(1)
  })

  test('wait for a source once, however many calls it takes', async () => {
    const one = await hostile('b.example', (request, response) => {
      if (!request.url?.endsWith('/capabilities')) return
      const body = {
        resources: [],
        excluded_resources: [],
        max_rows_per_query: 1,
        supported_verbs: [],
        grant_expires_at: null,
      }
      const send = () =>
        response.writeHead(200, { etag: '"1"', 'content-type': 'application/json' }).end(JSON.stringify(body))
      setTimeout(send, 0.7 * SHORT_MS)
    })
    await open[Symbol.asyncDispose]()
    open = await openQueries(database.app, SHORT_MS)
    const begun = performance.now()
    const answer = await ask('list/tasks', { source: B })
    expect(sourcesOf(answer)).toEqual([`${B} offline peer_timeout`])
    expect(one.heard).toHaveLength(2)
    expect(performance.now() - begun).toBeLessThan(1.6 * SHORT_MS)
  })
})

describe('a lender of the real kind', () => {
  test('lends what its subject sees within the scope, over its own cursors, and nothing of it stays here', async () => {
    const marker = `marker${crypto.randomUUID().replaceAll('-', '')}`
    // Its database is another tenant of the same server, with rows that only it may read.
    const theirs = await makeTenant(database.owner)
    for (const at of [1, 2, 3]) {
      await database.owner.query(sql`INSERT INTO memory (id, tenant_id, owner_id, text, created_at) VALUES
        (gen_random_uuid(), ${theirs.tenantId}::uuid, ${theirs.alice}::uuid, ${`${marker} ${at}`},
          '2026-01-31T09:00:00Z'::timestamptz + make_interval(secs => ${at}))`)
    }
    const one = await lender()
    const { tenantId, alice: userId } = theirs
    const { rights } = (await nativeUser(database.app, { tenantId, userId }))!
    const scope = { resources: ['memory'], excluded_resources: [], max_rows_per_query: 2, filters: {} } as const
    one.grant = lentGrant({ scope, tenantId, subjectUserId: one.grant!.subjectUserId, rights })
    one.grant = { ...one.grant, subject: { ...one.grant.subject!, tenantId } }
    const cursors = new Cursors(undefined, Buffer.alloc(32, 1))
    Object.assign(one.verbs, lendingVerbs({ database: database.app, source: 'b.example', cursors }))
    const pages = [await ask('list/memory', { source: B, limit: 5 })]
    pages.push(await ask('list/memory', { source: B, limit: 5, cursor: pages[0]!.body.nextCursor }))
    const texts = pages.flatMap(({ body }) => (body.items as never as { text: string }[]).map(({ text }) => text))
    expect(texts).toEqual([3, 2, 1].map((at) => `${marker} ${at}`))
    expect(pages.map(({ body }) => [body._truncated, body._partial])).toEqual([
      [true, false],
      [false, false],
    ])
    const found = await ask('search', { source: B, q: marker })
    expect([found.body.items.length, found.body._truncated]).toEqual([2, true])
    expect((await ask('list/tasks', { source: B })).status).toBe(403)
    const { id } = pages[0]!.body.items[0]!
    expect((await ask(`get/memory/${id}`, { source: B })).body.item.id).toBe(id)
    expect((await ask('list/memory')).body.items).toEqual([])

    // What is theirs lies in their table alone; nothing was told of it to any log.
    const tables = await database.owner.query<{ name: string }>(
      sql`SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'`,
    )
    const holding: string[] = []
    for (const { name } of tables) {
      const rows = await database.owner.query({ text: `SELECT t::text AS row FROM ${name} t`, values: [] })
      if (JSON.stringify(rows).includes(marker)) holding.push(name)
    }
    expect(holding).toEqual(['memory'])
    expect(JSON.stringify([open.decisions, asking.decisions, asking.rows, asking.events])).not.toContain(marker)
  })
})

describe('a trace', () => {
  test('goes on from the user’s to the lender’s, or begins here', async () => {
    const one = await lender()
    const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`
    await ask('list/tasks', { source: B }, { headers: { traceparent } })
    const ours = [open.decisions.at(-1)?.traceId, ...asking.decisions.map(({ traceId }) => traceId)]
    expect(ours).toEqual(['a'.repeat(32), 'a'.repeat(32), 'a'.repeat(32)])
    expect(one.decisions.map(({ traceId }) => traceId)).toEqual(['a'.repeat(32), 'a'.repeat(32)])
    for (const headers of [{}, { traceparent: 'no trace' }] as Record<string, string>[]) {
      await ask('search', { q: 'x', source: B }, { headers })
      const begun = open.decisions.at(-1)?.traceId
      expect(begun).toMatch(/^[0-9a-f]{32}$/)
      expect([asking.decisions.at(-1)?.traceId, one.decisions.at(-1)?.traceId]).toEqual([begun, begun])
    }
  })
})
