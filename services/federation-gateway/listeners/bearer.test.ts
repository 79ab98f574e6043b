import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { makeToken } from '../enrolment/token.ts'
import { storeAdminToken, storeUserToken, withdrawToken } from '../storage/bearer-tokens.ts'
import { Database } from '../storage/database.ts'
import type { TestDatabase } from '../storage/testing/cluster.ts'
import { databaseForEach, many } from '../storage/testing/for-each.ts'
import { makeTenant, type TestTenant } from '../storage/testing/tenant.ts'
import { changeRights } from '../storage/users.ts'
import { makeSite, type Site } from '../testing/federation.ts'
import { lastRefusal, openPublic, type PublicSite } from '../testing/public.ts'
import { type BearerDeps, passAdmin, passBody, passQuery, passTenant, passUser } from './bearer.ts'
import type { PublicRoute } from './public-listener.ts'
import { RateLimit } from './rate-limits.ts'

let site: Site
let database: TestDatabase
let tenant: TestTenant
let open: PublicSite
let deps: BearerDeps & { session: Database; failures: RateLimit; now: () => number }
let worked: unknown[]

beforeAll(async () => {
  site = await makeSite()
})
databaseForEach(async (mine) => {
  database = mine
  tenant = await makeTenant(mine.owner)
})
beforeEach(async () => {
  worked = []
  deps = { session: database.app, failures: new RateLimit(() => 0), mostFailures: 3, now: Date.now }
  open = await openPublic(site, routes())
})
afterEach(() => open[Symbol.asyncDispose]())

const schema = z.strictObject({ name: z.string().min(1), ttlSeconds: z.int().min(1).max(900).optional() })
const query = z.strictObject({ status: z.enum(['pending', 'active']).optional() })

function routes(): PublicRoute[] {
  const route = (path: string, work: PublicRoute['handle'], method: PublicRoute['method'] = 'POST'): PublicRoute => ({
    ...{ method, path, action: 'test:work' },
    async handle(exchange, parameters) {
      const accepted = await work(exchange, parameters)
      worked.push(accepted.body)
      return accepted
    },
  })
  const body = { largest: 100, isDetailed: true }
  return [
    route('/admin', async (exchange) => ({ status: 200, body: await passAdmin(exchange, deps) })),
    route('/operator', async (exchange) => ({
      ...{ status: 200, body: await passAdmin(exchange, deps, { isOperatorOnly: true }) },
    })),
    route('/user', async (exchange) => ({ status: 200, body: await passUser(exchange, deps) })),
    route('/body', async (exchange) => ({ status: 200, body: await passBody(exchange, schema, body) })),
    route(
      '/query',
      async (exchange) => ({ status: 200, body: await passQuery(exchange, query, { isDetailed: true }) }),
      'GET',
    ),
    route('/user/:id', async (exchange, { id = '' }) => {
      await passTenant(exchange, database.app, { tenantId: tenant.tenantId, things: [{ what: 'user', id }] })
      return { status: 200, body: { id } }
    }),
  ]
}

type Kind = 'operator' | 'tenant' | 'user'

async function tokenOf(kind: Kind, expiresAt: Date | null = null): Promise<{ token: string; id: string }> {
  const { token, sha256 } = makeToken()
  const { tenantId, alice: userId } = tenant
  const id =
    kind === 'user'
      ? await storeUserToken(database.app, { tenantId, userId, sha256, expiresAt })
      : await storeAdminToken(database.app, { ...(kind === 'tenant' && { tenantId }), name: 'x', sha256, expiresAt })
  return { token, id: id! }
}
const challengeOf = async (token?: string, headers: Record<string, string> = {}) => {
  const { status, headers: answered } = await open.call('POST', '/admin', { ...(token && { token }), headers })
  return [status, answered['www-authenticate']]
}

test('administrators and users are let in by tokens of their own kind, and are on record', async () => {
  const [operator, admin, user] = [await tokenOf('operator'), await tokenOf('tenant'), await tokenOf('user')]
  const said = async (path: string, token: string) => JSON.parse((await open.call('POST', path, { token })).text)
  const { tenantId, alice: userId } = tenant
  expect(await said('/admin', operator.token)).toEqual({ kind: 'operator', id: operator.id })
  expect(await said('/admin', admin.token)).toEqual({ kind: 'tenant', id: admin.id, tenantId })
  expect(await said('/operator', operator.token)).toEqual({ kind: 'operator', id: operator.id })
  expect(await said('/user', user.token)).toMatchObject({ id: user.id, tenantId, userId, name: 'alice' })
  expect(open.decisions.map(({ principal }) => principal)).toEqual([
    { adminId: operator.id },
    { adminId: admin.id },
    { adminId: operator.id },
    { userId },
  ])
})

test('api.token: who presents nothing is told no error, and who presents something that is none is', async () => {
  const [operator, user] = [await tokenOf('operator'), await tokenOf('user')]
  expect(await challengeOf()).toEqual([401, 'Bearer realm="gateway"'])
  expect(lastRefusal(open)).toBe('refused 401 api.token bearer_missing')
  expect(await challengeOf(undefined, { authorization: 'Basic eDp5' })).toEqual([401, 'Bearer realm="gateway"'])
  const refused = [401, 'Bearer realm="gateway", error="invalid_token"']
  expect(await challengeOf(makeToken().token)).toEqual(refused)
  expect(lastRefusal(open)).toBe('refused 401 api.token bearer_unknown')
  expect(await challengeOf(user.token)).toEqual(refused)
  expect(lastRefusal(open)).toBe('refused 401 api.token bearer_wrong_kind')
  expect((await open.call('POST', '/user', { token: operator.token })).status).toBe(401)
  expect(lastRefusal(open)).toBe('refused 401 api.token bearer_wrong_kind')
  expect(open.decisions.map(({ principal }) => principal)).toEqual(Array(5).fill({}))
  expect(worked).toEqual([])
})

test('api.token: one counts until its time is over, or until it is withdrawn', async () => {
  const end = Date.now() + 60_000
  const { token, id } = await tokenOf('operator', new Date(end))
  deps.now = () => end - 1
  expect((await challengeOf(token))[0]).toBe(200)
  deps.now = () => end
  expect((await challengeOf(token))[0]).toBe(401)
  expect(lastRefusal(open)).toBe('refused 401 api.token bearer_expired')
  deps.now = () => end - 1
  await withdrawToken(database.app, { id })
  expect((await challengeOf(token))[0]).toBe(401)
  expect(lastRefusal(open)).toBe('refused 401 api.token bearer_withdrawn')
})

test.each<[string, string, Record<string, string | string[]>]>([
  ['two headers', '/admin', { authorization: ['Bearer TOKEN', 'Bearer TOKEN'] }],
  ['a token in the query', '/admin?access_token=TOKEN', {}],
  ['a token in quotes', '/admin', { authorization: 'Bearer "TOKEN"' }],
  ['a form', '/admin', { authorization: 'Bearer TOKEN', 'content-type': 'application/x-www-form-urlencoded' }],
])('api.carrier: %s is refused', async (_, path, headers) => {
  const { token } = await tokenOf('operator')
  const given = Object.entries(headers).map(([name, value]) => [
    name,
    typeof value === 'string' ? value.replace('TOKEN', token) : value.map((one) => one.replace('TOKEN', token)),
  ])
  const asked = { headers: Object.fromEntries(given) as Record<string, string> }
  const { status, text } = await open.call('POST', path.replace('TOKEN', token), asked)
  expect([status, JSON.parse(text).error.code]).toEqual([400, 'invalid_request'])
  expect(lastRefusal(open)).toBe('refused 400 api.carrier carrier_invalid')
  expect(await challengeOf(token)).toEqual([200, undefined])
})

test('api.role: what is for operators is for nobody else', async () => {
  expect((await open.call('POST', '/operator', { token: (await tokenOf('tenant')).token })).status).toBe(403)
  expect(lastRefusal(open)).toBe('refused 403 api.role operator_only')
  expect((await open.call('POST', '/operator', { token: (await tokenOf('operator')).token })).status).toBe(200)
})

test('api.user: a user that is out of use is refused at once, and let in again', async () => {
  const { token } = await tokenOf('user')
  const place = { tenantId: tenant.tenantId, id: tenant.alice }
  for (const [isDisabled, status] of [
    [false, 200],
    [true, 403],
    [false, 200],
  ] as const) {
    await changeRights(database.app, place, { isDisabled })
    expect((await open.call('POST', '/user', { token })).status).toBe(status)
    if (isDisabled) expect(lastRefusal(open)).toBe('refused 403 api.user user_disabled')
  }
})

describe('api.rate', () => {
  const wrong = () => open.call('POST', '/admin', { token: makeToken().token })

  test('an address that presents too many wrong tokens waits, whatever it presents', async () => {
    const { token } = await tokenOf('operator')
    let now = 0
    deps = { ...deps, failures: new RateLimit(() => now) }
    for (const _ of [1, 2, 3]) expect((await wrong()).status).toBe(401)
    now = 10_000
    const { status, headers, text } = await wrong()
    expect([status, headers['retry-after'], JSON.parse(text).error.retryAfterSeconds]).toEqual([429, '50', 50])
    expect(lastRefusal(open)).toBe('refused 429 api.rate rate_authentication')
    expect((await challengeOf(token))[0]).toBe(429)
    now = 60_000
    expect((await challengeOf(token))[0]).toBe(200)
  })

  test('what is right, or is no token at all, does not count', async () => {
    const { token } = await tokenOf('operator')
    for (const _ of [1, 2, 3, 4]) {
      expect((await challengeOf())[0]).toBe(401)
      expect((await challengeOf(token))[0]).toBe(200)
    }
    for (const _ of [1, 2]) await wrong()
    expect((await challengeOf(token))[0]).toBe(200)
  })

  test('of many at once, no more than the limit are told what is wrong with them', async () => {
    const statuses = (await many(wrong)).map(({ status }) => status)
    expect(statuses.toSorted().slice(0, 4)).toEqual([401, 401, 401, 429])
  })
})

describe('api.body', () => {
  test.each<[string, unknown, Record<string, string>, number, string, object[] | undefined]>([
    ['another type', '{"name":"x"}', { 'content-type': 'text/plain' }, 415, 'api_content_type', undefined],
    ['too large', { name: 'x'.repeat(100) }, {}, 413, 'api_too_large', undefined],
    ['no JSON', '{', {}, 400, 'api_body', undefined],
    ['none', undefined, { 'content-type': 'application/json' }, 400, 'api_body', undefined],
    ['a member missing', {}, {}, 400, 'api_body', [{ path: 'name', message: expect.any(String) }]],
    ['an unknown member', { name: 'x', y: 1 }, {}, 400, 'api_body', [{ path: 'y', message: 'is not known' }]],
    ['a token in it', { name: 'x', access_token: 'y' }, {}, 400, 'api_body', [expect.anything()]],
    ['no time to live', { name: 'x', ttlSeconds: 0 }, {}, 400, 'token_ttl', [expect.anything()]],
    ['too long a time', { name: 'x', ttlSeconds: 901 }, {}, 400, 'token_ttl', [expect.anything()]],
    ['half a second', { name: 'x', ttlSeconds: 1.5 }, {}, 400, 'token_ttl', [expect.anything()]],
    ['a text for a time', { name: 'x', ttlSeconds: '900' }, {}, 400, 'token_ttl', [expect.anything()]],
    ['a bad time, and more', { ttlSeconds: 0 }, {}, 400, 'api_body', [expect.anything(), expect.anything()]],
  ])('%s is refused', async (_, body, headers, status, reason, details) => {
    const answer = await open.call('POST', '/body', { body, headers })
    expect([answer.status, JSON.parse(answer.text).error.details]).toEqual([status, details])
    expect(lastRefusal(open)).toBe(`refused ${status} api.body ${reason}`)
    expect(worked).toEqual([])
  })

  test('one that fits is taken', async () => {
    for (const body of [{ name: 'x' }, { name: 'x', ttlSeconds: 1 }, { name: 'x', ttlSeconds: 900 }]) {
      expect((await open.call('POST', '/body', { body })).status).toBe(200)
    }
    expect(worked).toEqual([{ name: 'x' }, { name: 'x', ttlSeconds: 1 }, { name: 'x', ttlSeconds: 900 }])
  })

  test('a query is as strict, and has each parameter once', async () => {
    expect((await open.call('GET', '/query?status=active')).text).toBe('{"status":"active"}')
    expect((await open.call('GET', '/query')).text).toBe('{}')
    for (const bad of ['status=gone', 'state=active', 'status=active&status=active', '__proto__=x']) {
      expect((await open.call('GET', `/query?${bad}`)).status).toBe(400)
      expect(lastRefusal(open)).toBe('refused 400 api.body api_body')
    }
  })
})

test('api.tenant: what is of another tenant is not there, to the byte', async () => {
  const other = await makeTenant(database.owner)
  const ask = async (id: string) => {
    const { status, headers, text } = await open.call('POST', `/user/${id}`)
    const { date: _, ...rest } = headers
    return [status, rest, text.replace(/"requestId":"[^"]+"/, '')]
  }
  expect((await ask(tenant.alice))[0]).toBe(200)
  const foreign = await ask(other.alice)
  expect(lastRefusal(open)).toBe('refused 404 api.tenant object_other_tenant')
  const absent = await ask(crypto.randomUUID())
  expect(lastRefusal(open)).toBe('refused 404 api.tenant object_absent')
  const malformed = await ask('%27')
  expect(lastRefusal(open)).toBe('refused 404 api.tenant object_absent')
  expect([foreign, absent]).toEqual([absent, malformed])
})

test('store.available: without the database nobody is let in', async () => {
  const { token } = await tokenOf('operator')
  expect((await challengeOf(token))[0]).toBe(200)
  await using nowhere = new Database({ url: 'postgres://keeper@127.0.0.1:1/gateway' })
  deps.session = nowhere
  const { status, headers } = await open.call('POST', '/admin', { token })
  expect([status, headers['retry-after']]).toEqual([503, '5'])
  expect(lastRefusal(open)).toBe('refused 503 store.available database_unavailable')
})
