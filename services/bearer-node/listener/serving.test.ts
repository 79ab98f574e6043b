import { describe, expect, test } from 'vitest'
import { until } from '../../shared/testing/service-process.ts'
import { type TestListeners, type TestListenersOptions, testListeners } from '../testing/listeners.ts'
import { exchange, type RawAnswer, RawStream, requestOf } from '../testing/raw.ts'
import { type TestRoutes, testRoutes } from '../testing/routes.ts'
import { NEW, OLD, OTHER } from '../testing/tokens.ts'
import { refOf } from '../token/ref.ts'

// What goes over the wire, byte by byte: each row of the tables of the credential and of routes, with the record of it.

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
const A0 = 'Bearer realm="holdfast"'
const A1 = 'Bearer realm="holdfast", error="invalid_token"'
const A2 = 'Bearer realm="holdfast", error="invalid_request"'

interface Site extends AsyncDisposable {
  readonly node: TestListeners
  readonly routes: TestRoutes
  ask(method: string, path: string, headers?: readonly (readonly [string, string])[], body?: string): Promise<RawAnswer>
}

async function site(options: TestListenersOptions = {}): Promise<Site> {
  const routes = testRoutes()
  const node = await testListeners({ ...options, routes: routes.routes })
  return {
    node,
    routes,
    ask: (...given) => exchange(node.port, requestOf(...given)),
    [Symbol.asyncDispose]: () => node[Symbol.asyncDispose](),
  }
}

const bearer = (token: string) => ['Authorization', `Bearer ${token}`] as const
const json = ['Content-Type', 'application/json'] as const
const good = '{"name":"a"}'

/** Status, challenge, code and reason of a refusal; its body holds a request id and nothing else. */
function refusal({ status, headers, body }: RawAnswer, node: TestListeners) {
  const { error, request_id: id, ...others } = JSON.parse(body) as Record<string, unknown>
  expect(id).toMatch(UUID)
  expect(headers['holdfast-request-id']).toEqual([id])
  expect(others).toEqual({})
  const last = node.records.at(-1)!
  expect(last).toMatchObject({
    verdict: 'refused',
    status,
    error: status === 401 && error === 'unauthorized' ? null : error,
  })
  expect(last.requestId).toBe(id)
  expect(last.tokenRef === null || ['bearer.route', 'bearer.session'].includes(last.guard!)).toBe(true)
  return { status, challenge: headers['www-authenticate']?.[0], error, guard: last.guard, reason: last.reason }
}

describe('who presents nothing', () => {
  test.each([
    ['no header', []],
    ['an empty one', [['Authorization', '']]],
    ['another scheme', [['Authorization', 'Basic dXNlcjpwYXNz']]],
    ['a cookie', [['Cookie', `access_token=${OLD}; Authorization=Bearer ${OLD}`]]],
    ['a header that is no alias here', [['X-RingRift-Auth', OLD]]],
    [
      'names of a proxy and of loopback',
      [
        ['X-Forwarded-For', '127.0.0.1'],
        ['X-Real-IP', '127.0.0.1'],
        ['Forwarded', 'for=127.0.0.1'],
      ],
    ],
    [
      'another path for a rewrite',
      [
        ['X-Original-URL', '/healthz'],
        ['X-Rewrite-URL', '/healthz'],
        ['X-Forwarded-Uri', '/healthz'],
      ],
    ],
  ] as const)('is A0: %s', async (_, headers) => {
    await using here = await site()
    const answer = await here.ask('POST', '/v1/runs', [...headers, json], good)
    expect(refusal(answer, here.node)).toEqual({
      ...{ status: 401, challenge: A0, error: 'unauthorized' },
      ...{ guard: 'bearer.access', reason: 'credential_missing' },
    })
    expect(answer.headers['cache-control']).toEqual(['no-store'])
    expect(here.routes.handled).toEqual([])

    const accepted = await here.ask('POST', '/v1/runs', [bearer(OLD), json], good)
    expect(accepted.status).toBe(202)
    expect(here.routes.handled).toEqual(['POST /v1/runs'])
  })

  test('a token in a body of JSON is not read', async () => {
    await using here = await site()
    const answer = await here.ask('POST', '/v1/runs', [json], `{"name":"a","access_token":"${OLD}"}`)
    expect(refusal(answer, here.node)).toMatchObject({ status: 401, challenge: A0 })
  })
})

describe('who presents what cannot be a token, or presents it twice', () => {
  test.each([
    ['no token', [['Authorization', 'Bearer']], 'carrier_malformed'],
    ['a tab', [['Authorization', `Bearer\t${OLD}`]], 'carrier_malformed'],
    ['a list', [['Authorization', `Bearer ${OLD}, Bearer ${OTHER}`]], 'carrier_malformed'],
    ['quotes', [['Authorization', `Bearer "${OLD}"`]], 'carrier_malformed'],
    ['bytes above 127', [['Authorization', 'Bearer \xe9\xff\x80']], 'carrier_malformed'],
    ['the token, and a byte above 127', [['Authorization', `Bearer ${OLD}\xff`]], 'carrier_malformed'],
    ['good and bad', [bearer(OLD), bearer(OTHER)], 'carrier_repeated'],
    ['bad and good', [bearer(OTHER), bearer(OLD)], 'carrier_repeated'],
    ['the same twice', [bearer(OLD), bearer(OLD)], 'carrier_repeated'],
  ] as const)('is A2: %s', async (_, headers, reason) => {
    await using here = await site()
    const answer = await here.ask('POST', '/v1/runs', [...headers, json], good)
    expect(refusal(answer, here.node)).toEqual({
      ...{ status: 400, challenge: A2, error: 'invalid_request' },
      ...{ guard: 'bearer.carrier', reason },
    })
    expect(answer.headers['cache-control']).toEqual(['no-store'])
    expect(here.routes.handled).toEqual([])
  })

  test.each(['/v1/runs', '/healthz', '/v1/status', '/nowhere'])(
    'is A2 in the query of %s, alone and beside a header',
    async (path) => {
      await using here = await site()
      for (const headers of [[], [bearer(OLD)]]) {
        const answer = await here.ask('GET', `${path}?access_token=${OLD}`, headers)
        expect(refusal(answer, here.node)).toMatchObject({ status: 400, challenge: A2, reason: 'carrier_in_query' })
      }
    },
  )

  test('is A2 in a form, alone and beside a header; a form without it is just no JSON', async () => {
    await using here = await site()
    const form = ['Content-Type', 'application/x-www-form-urlencoded; charset=utf-8'] as const
    for (const headers of [[form], [form, bearer(OLD)]]) {
      const answer = await here.ask('POST', '/v1/runs', headers, `a=1&access_token=${OLD}`)
      expect(refusal(answer, here.node)).toMatchObject({ status: 400, challenge: A2, reason: 'carrier_in_query' })
    }
    expect(refusal(await here.ask('POST', '/v1/runs', [form], 'a=1'), here.node)).toMatchObject({ status: 401 })
    const other = refusal(await here.ask('POST', '/v1/runs', [form, bearer(OLD)], 'a=1'), here.node)
    expect(other).toMatchObject({ status: 415, challenge: undefined, guard: 'bearer.route', reason: 'input_invalid' })
    expect(here.routes.handled).toEqual([])
  })
})

describe('who presents another token', () => {
  test.each([
    ['another', OTHER],
    ['its beginning', OLD.slice(0, -1)],
    ['its end', OLD.slice(1)],
    ['one more', `${OLD}0`],
    ['another case', OLD.toUpperCase()],
    ['one of 600 characters', OLD.repeat(20).slice(0, 600)],
  ])('is A1: %s', async (_, token) => {
    await using here = await site()
    const answer = await here.ask('POST', '/v1/runs', [bearer(token), json], good)
    expect(refusal(answer, here.node)).toEqual({
      ...{ status: 401, challenge: A1, error: 'invalid_token' },
      ...{ guard: 'bearer.token', reason: 'token_unknown' },
    })
    expect(answer.headers['cache-control']).toEqual(['no-store'])
    expect(here.routes.handled).toEqual([])
  })

  test('is A1 wherever it is presented: also where none is needed', async () => {
    await using here = await site()
    for (const path of ['/healthz', '/v1/status', '/nowhere']) {
      expect(refusal(await here.ask('GET', path, [bearer(OTHER)]), here.node)).toMatchObject({
        status: 401,
        challenge: A1,
      })
    }
  })

  test('is told apart in the record where it was good before: left, or over', async () => {
    await using here = await site()
    const { tokens, clock } = here.node
    const ask = async (token: string) => {
      const { status } = await here.ask('GET', '/v1/auth', [bearer(token)])
      return { status, reason: here.node.records.at(-1)!.reason }
    }
    tokens!.replace({ sends: NEW, also: [{ token: OLD, until: clock.wallMs() + 60_000 }] })
    expect([await ask(OLD), await ask(NEW)]).toEqual([
      { status: 200, reason: null },
      { status: 200, reason: null },
    ])
    clock.move(60_000)
    expect([await ask(OLD), await ask(NEW)]).toEqual([
      { status: 401, reason: 'token_ended' },
      { status: 200, reason: null },
    ])
    tokens!.replace({ sends: OTHER, also: [] })
    expect([await ask(NEW), await ask(OTHER)]).toEqual([
      { status: 401, reason: 'token_ended' },
      { status: 200, reason: null },
    ])
  })
})

describe('who presents the token', () => {
  test.each(['Bearer', 'bearer', 'BEARER', 'Bearer  '])(
    'is let in, whatever the case of the scheme: %s',
    async (scheme) => {
      await using here = await site()
      const answer = await here.ask('POST', '/v1/runs', [['Authorization', `${scheme} ${OLD}`], json], good)
      expect([answer.status, answer.body]).toEqual([202, good])
      expect(answer.headers).toMatchObject({ location: ['/v1/runs/1'], 'cache-control': ['no-store'] })
      expect(answer.headers['www-authenticate']).toBeUndefined()
    },
  )

  test('stands in the record with its ref, with where it came to, and without itself', async () => {
    await using here = await site()
    await here.ask('POST', '/v1/runs', [bearer(OLD), json], good)
    const record = here.node.records.at(-1)!
    expect(record).toMatchObject({
      ...{ verdict: 'accepted', status: 202, error: null, guard: null, reason: null, layer: 'http' },
      ...{ action: 'run:start', route: 'POST /v1/runs', target: 'orc-1', remote: '127.0.0.1', via: null },
      ...{ tokenRef: refOf(OLD), principal: { tokenRef: refOf(OLD) } },
    })
    expect(record.conn).toMatch(/^127\.0\.0\.1:\d+$/)
    expect(JSON.stringify(here.node.records)).not.toContain(OLD.slice(0, 12))
  })

  test('may say by which id its call is known elsewhere; nobody else may', async () => {
    await using here = await site()
    const id = 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'
    const named = (headers: readonly (readonly [string, string])[]) =>
      here.ask('GET', '/v1/status', [['Holdfast-Request-Id', id], ...headers])
    expect((await named([bearer(OLD)])).headers['holdfast-request-id']).toEqual([id])
    expect((await named([])).headers['holdfast-request-id']).not.toEqual([id])
    expect((await named([bearer(OTHER)])).headers['holdfast-request-id']).not.toEqual([id])
    const odd = await here.ask('GET', '/v1/status', [['Holdfast-Request-Id', 'x'], bearer(OLD)])
    expect(odd.headers['holdfast-request-id']![0]).toMatch(UUID)
  })

  test('by the alias where there is one, and by one of both', async () => {
    await using here = await site({ auth: { headerAlias: 'X-RingRift-Auth' } })
    const alias = ['x-ringrift-auth', OLD] as const
    expect((await here.ask('GET', '/v1/auth', [alias])).status).toBe(200)
    expect((await here.ask('GET', '/v1/auth', [bearer(OLD)])).status).toBe(200)
    for (const headers of [
      [alias, bearer(OLD)],
      [alias, alias],
    ]) {
      expect(refusal(await here.ask('GET', '/v1/auth', headers), here.node)).toMatchObject({
        ...{ status: 400, challenge: A2, reason: 'carrier_repeated' },
      })
    }
    const wrong = await here.ask('GET', '/v1/auth', [['X-RingRift-Auth', OTHER]])
    expect(refusal(wrong, here.node)).toMatchObject({ status: 401, challenge: A1 })
    expect((await here.ask('GET', '/v1/status')).headers.vary).toEqual(['Authorization, X-RingRift-Auth'])
  })
})

describe('a head that is too long', () => {
  test('is 431 without a word, and the connection ends', async () => {
    await using here = await site()
    const fits = await here.ask('GET', '/v1/auth', [bearer(OLD), ['X-Fill', 'a'.repeat(15_000)]])
    expect(fits.status).toBe(200)
    const answer = await here.ask('GET', '/v1/auth', [['Authorization', `Bearer ${'a'.repeat(20 * 1024)}`]])
    expect([answer.status, answer.body, answer.headers.connection]).toEqual([431, '', ['close']])
    expect(here.node.lastDecision()).toEqual({
      verdict: 'refused',
      status: 431,
      guard: 'http.form',
      reason: 'request_unreadable',
    })
  })

  test('so is a token of a megabyte', async () => {
    await using here = await site()
    const answer = await here.ask('GET', '/v1/auth', [['Authorization', `Bearer ${'a'.repeat(1_048_576)}`]])
    // What is closed while the caller still writes may be reset before it has read the answer.
    expect([0, 431]).toContain(answer.status)
    await until(() => here.node.records.length === 1, 'the record')
    expect(here.node.lastDecision()).toMatchObject({ status: 431, guard: 'http.form' })
  })

  test('what is no request is 400, and on record', async () => {
    await using here = await site()
    for (const text of [
      'nonsense\r\n\r\n',
      'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
      `GET /v1/auth HTTP/1.1\r\nAuthorization : Bearer ${OLD}\r\n\r\n`,
    ]) {
      const { status } = await exchange(here.node.port, text)
      expect(status).toBe(400)
      expect(here.node.lastDecision()).toMatchObject({ guard: 'http.form', reason: 'request_unreadable' })
    }
    const torn = `POST /v1/runs HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${OLD}\r\nTransfer-Encoding: xchunked\r\n\r\n`
    expect((await exchange(here.node.port, torn)).status).toBe(400)
    expect((await exchange(here.node.port, `CONNECT node.test:443 HTTP/1.1\r\nHost: a\r\n\r\n`)).status).toBe(400)
    expect(here.routes.handled).toEqual([])
  })
})

describe('failures of an address', () => {
  test('are limited, with 429, and never keep out who has the token', async () => {
    await using here = await site({ limitedRecordsPerMinute: 3 })
    const statuses = []
    for (let at = 0; at < 100; at += 1) statuses.push((await here.ask('GET', '/v1/auth', [bearer(OTHER)])).status)
    expect(new Set(statuses)).toEqual(new Set([401]))
    const before = here.node.records.length
    const answer = await here.ask('GET', '/v1/auth', [bearer(OTHER)])
    expect(refusal(answer, here.node)).toEqual({
      ...{ status: 429, challenge: undefined, error: 'too_many_requests' },
      ...{ guard: 'bearer.flood', reason: 'failures_limited' },
    })
    expect(answer.headers).toMatchObject({ 'retry-after': ['1'], 'cache-control': ['no-store'] })
    // Of all kinds of failures.
    expect((await here.ask('GET', '/v1/auth')).status).toBe(429)
    expect((await here.ask('GET', '/v1/auth', [['Authorization', 'Bearer']])).status).toBe(429)
    expect((await here.ask('GET', '/v1/auth')).status).toBe(429)
    expect(here.node.records.length - before).toBe(3)
    expect((await here.ask('GET', '/v1/auth', [bearer(OLD)])).status).toBe(200)
    expect((await here.ask('GET', '/v1/status')).status).toBe(200)

    here.node.time.monotonic += 1_000
    const after = []
    for (let at = 0; at < 21; at += 1) after.push((await here.ask('GET', '/v1/auth', [bearer(OTHER)])).status)
    expect(after.filter((status) => status === 401)).toHaveLength(20)
    expect(after.at(-1)).toBe(429)
  })

  test('are those of a token alone: what is wrong with a good caller’s request counts for nothing', async () => {
    await using here = await site()
    for (let at = 0; at < 150; at += 1) await here.ask('GET', '/nowhere', [bearer(OLD)])
    expect((await here.ask('GET', '/v1/auth')).status).toBe(401)
  })
})

describe('what is declared decides who may ask', () => {
  const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']
  const PATHS = [
    '/healthz',
    '/readyz',
    '/v1/status',
    '/v1/auth',
    '/v1/runs',
    '/v1/runs/a',
    '/v1/runs/a/output',
    '/v1/reset',
    '/nowhere',
    '/',
  ]
  const OPEN = ['/healthz', '/readyz']
  const READ = ['/v1/status']
  const isRead = (method: string) => ['GET', 'HEAD'].includes(method)

  test.each(['open', 'token'] as const)('path by path and method by method, while reads are %s', async (readAccess) => {
    await using here = await site({ auth: { readAccess } })
    for (const path of PATHS) {
      for (const method of METHODS) {
        const isOpen = isRead(method) && (OPEN.includes(path) || (readAccess === 'open' && READ.includes(path)))
        const { status } = await here.ask(method, path, [])
        expect({ path, method, status }).toEqual({ path, method, status: isOpen ? 200 : 401 })
        // Each of these is a failure: none is to be refused for the number of those before.
        here.node.time.monotonic += 50
      }
    }
    expect(here.routes.handled.filter((call) => !call.endsWith('/v1/status'))).toEqual([])
    expect(here.routes.handled).toHaveLength(readAccess === 'open' ? 2 : 0)
    expect(here.node.tokens!.accepts()).toHaveLength(1)
  })

  test('with the token what is not there is 404, and what is there by another method 405 with those it has', async () => {
    await using here = await site()
    const nowhere = await here.ask('GET', '/nowhere', [bearer(OLD)])
    expect(refusal(nowhere, here.node)).toEqual({
      ...{ status: 404, challenge: undefined, error: 'not_found', guard: 'bearer.route', reason: 'route_unknown' },
    })
    for (const [method, path, allow] of [
      ['POST', '/healthz', 'GET, HEAD'],
      ['DELETE', '/v1/runs', 'POST'],
      ['PATCH', '/v1/runs/a', 'PUT'],
      ['OPTIONS', '/v1/status', 'GET, HEAD'],
    ] as const) {
      const answer = await here.ask(method, path, [bearer(OLD)])
      expect(refusal(answer, here.node)).toMatchObject({
        status: 405,
        error: 'method_not_allowed',
        reason: 'method_unknown',
      })
      expect(answer.headers.allow).toEqual([allow])
      expect(here.node.records.at(-1)!.tokenRef).toBe(refOf(OLD))
    }
  })

  test.each([
    ...[
      '//healthz',
      '/healthz/',
      '/HEALTHZ',
      '/%68ealthz',
      '/healthz;x',
      '/./healthz',
      '/v1/../healthz',
      '/healthz%00',
    ],
    ...[
      'http://node.test/healthz',
      '/healthz/../v1/auth',
      '/v1/status/',
      '/v1//status',
      '/v1/%73tatus',
      '/v1/status;a',
      '*',
    ],
  ])('no other spelling of an open path is open: %s', async (path) => {
    await using here = await site()
    const method = path === '*' ? 'OPTIONS' : 'GET'
    const rewritten = ['X-Original-URL', 'X-Rewrite-URL', 'X-Forwarded-Uri'].map((name) => [name, '/healthz'] as const)
    expect(refusal(await here.ask(method, path, rewritten), here.node)).toMatchObject({ status: 401, challenge: A0 })
    const answer = await here.ask(method, path, [bearer(OLD)])
    expect(refusal(answer, here.node)).toMatchObject({ status: 404, reason: 'route_unknown' })
  })

  test('HEAD has the head of GET and no body', async () => {
    await using here = await site()
    const [got, head] = [await here.ask('GET', '/v1/status'), await here.ask('HEAD', '/v1/status')]
    expect([head.status, head.body]).toEqual([200, ''])
    expect(head.headers['content-length']).toEqual(got.headers['content-length'])
    expect(here.routes.handled).toEqual(['GET /v1/status', 'GET /v1/status'])
  })

  test('an upgrade is not served: it is a request like any other', async () => {
    await using here = await site({ auth: { readAccess: 'token' } })
    const upgrade = [
      ['Upgrade', 'websocket'],
      ['Sec-WebSocket-Key', 'x'],
      ['Sec-WebSocket-Version', '13'],
    ] as const
    const bytes = (headers: readonly (readonly [string, string])[]) =>
      requestOf('GET', '/v1/status', [['Connection', 'Upgrade'], ...upgrade, ...headers])
    expect((await exchange(here.node.port, bytes([]))).status).toBe(401)
    expect((await exchange(here.node.port, bytes([bearer(OLD)]))).status).toBe(200)
  })

  test('open reads differ by who asks, and a cache is told so; what had a token is kept by none', async () => {
    await using here = await site()
    const anonymous = await here.ask('GET', '/v1/status')
    expect([anonymous.headers.vary, anonymous.headers['cache-control']]).toEqual([['Authorization'], undefined])
    const known = await here.ask('GET', '/v1/status', [bearer(OLD)])
    expect([known.headers.vary, known.headers['cache-control']]).toEqual([['Authorization'], ['no-store']])
    expect((await here.ask('GET', '/healthz', [bearer(OLD)])).headers['cache-control']).toEqual(['no-store'])
    for (const path of ['/v1/auth', '/nowhere']) {
      for (const headers of [[], [bearer(OLD)]]) {
        expect((await here.ask('GET', path, headers)).headers['cache-control']).toEqual(['no-store'])
      }
    }
    await using closed = await site({ auth: { readAccess: 'token' } })
    const read = await closed.ask('GET', '/v1/status', [bearer(OLD)])
    expect([read.headers.vary, read.headers['cache-control']]).toEqual([undefined, ['no-store']])
  })

  test('a query has the names that are declared, each once', async () => {
    await using here = await site()
    expect(JSON.parse((await here.ask('GET', '/v1/status?limit=3')).body)).toMatchObject({ limit: '3' })
    for (const query of ['other=1', 'limit=1&other=2', 'limit=1&limit=2', 'limit=1&li%6dit=2', 'x']) {
      const answer = await here.ask('GET', `/v1/status?${query}`)
      expect(refusal(answer, here.node)).toMatchObject({
        status: 400,
        error: 'invalid_request',
        challenge: undefined,
        reason: 'input_invalid',
      })
    }
    expect(here.routes.handled).toHaveLength(1)
  })
})

describe('a body', () => {
  const post = (here: Site, body: string, ...headers: (readonly [string, string])[]) =>
    here.ask('POST', '/v1/runs', [bearer(OLD), ...headers], body)

  test.each([
    ['no JSON', 400, 'invalid_request', '{"name":'],
    ['not what the route takes', 400, 'invalid_request', '{"name":1}'],
    ['a member that nobody knows', 400, 'invalid_request', '{"name":"a","argv":["sh"]}'],
    ['a member twice', 400, 'invalid_request', '{"name":"a","name":"b"}'],
    ['bytes that are no UTF-8', 400, 'invalid_request', Buffer.from([0x22, 0xff, 0x22]).toString('latin1')],
    ['nested 10 000 deep', 422, 'unprocessable', `${'['.repeat(10_000)}${']'.repeat(10_000)}`],
    ['nested, and open', 400, 'invalid_request', '['.repeat(10_000)],
  ] as const)('with %s is refused', async (_, status, error, body) => {
    await using here = await site()
    expect(refusal(await post(here, body, json), here.node)).toEqual({
      ...{ status, error, challenge: undefined, guard: 'bearer.route', reason: 'input_invalid' },
    })
    expect(here.routes.handled).toEqual([])
    expect((await post(here, good, json)).status).toBe(202)
  })

  test.each([
    ['none', []],
    ['another', [['Content-Type', 'text/plain']]],
    ['another charset', [['Content-Type', 'application/json; charset=latin1']]],
    ['compressed', [json, ['Content-Encoding', 'gzip']]],
  ] as const)('of another media type is 415: %s', async (_, headers) => {
    await using here = await site()
    expect(refusal(await post(here, good, ...headers), here.node)).toMatchObject({
      status: 415,
      reason: 'input_invalid',
    })
    expect((await post(here, good, ['Content-Type', 'Application/JSON; charset="UTF-8"'])).status).toBe(202)
  })

  test('of none at all is 400 where one is needed', async () => {
    await using here = await site()
    expect(refusal(await post(here, ''), here.node)).toMatchObject({ status: 400, reason: 'input_invalid' })
    const put = await here.ask('PUT', '/v1/runs/a', [bearer(OLD)])
    expect(refusal(put, here.node)).toMatchObject({ status: 400, guard: 'bearer.route', reason: 'input_invalid' })
  })

  test('of one mebibyte is read, and of one byte more refused, declared or in chunks', async () => {
    await using here = await site()
    const put = (headers: readonly (readonly [string, string])[], body: string) =>
      here.ask('PUT', '/v1/runs/a', [bearer(OLD), json, ...headers], body)
    const largest = `"${'a'.repeat(1_048_574)}"`
    expect(JSON.parse((await put([], largest)).body)).toMatchObject({ bytes: 1_048_576 })
    const declared = await exchange(
      here.node.port,
      requestOf('PUT', '/v1/runs/a', [bearer(OLD), json, ['Content-Length', '1048577']]),
    )
    expect(refusal(declared, here.node)).toEqual({
      ...{ status: 413, error: 'body_too_large', challenge: undefined },
      ...{ guard: 'bearer.route', reason: 'body_too_large' },
    })
    expect(declared.headers.connection).toEqual(['close'])
    const head = requestOf('PUT', '/v1/runs/a', [bearer(OLD), json, ['Transfer-Encoding', 'chunked']])
    const chunk = Buffer.from(`100001\r\n${'a'.repeat(1_048_577)}\r\n0\r\n\r\n`)
    const chunked = await exchange(here.node.port, Buffer.concat([head, chunk]))
    expect(chunked.status).toBe(413)
    expect(here.routes.handled).toHaveLength(1)
  })

  test('that does not come in time is 408', async () => {
    await using here = await site({ bodyWithinMs: 100 })
    const started = requestOf('POST', '/v1/runs', [bearer(OLD), json, ['Content-Length', '12']])
    const answer = await exchange(here.node.port, Buffer.concat([started, Buffer.from('{"na')]))
    expect(refusal(answer, here.node)).toMatchObject({ status: 408, error: 'request_timeout', reason: 'input_invalid' })
    expect(here.routes.handled).toEqual([])
  })

  test('of who may not ask is not waited for', async () => {
    await using here = await site()
    const answer = await exchange(here.node.port, requestOf('POST', '/v1/runs', [json, ['Content-Length', '1000000']]))
    expect([answer.status, answer.headers.connection]).toEqual([401, ['close']])
  })
})

describe('a handler', () => {
  test('that refuses is answered as it says, and on record with its guard', async () => {
    await using here = await site()
    const answer = await here.ask('POST', '/v1/refused', [bearer(OLD)])
    expect(answer.status).toBe(409)
    expect(JSON.parse(answer.body)).toEqual({ error: 'stale_epoch', epoch: 4, request_id: expect.stringMatching(UUID) })
    expect(answer.headers).toMatchObject({ 'retry-after': ['7'], 'cache-control': ['no-store'] })
    expect(here.node.records.at(-1)).toMatchObject({
      ...{ verdict: 'refused', status: 409, error: 'stale_epoch', guard: 'bearer.fence', reason: 'stale_epoch' },
      tokenRef: refOf(OLD),
    })
  })

  test('that fails is 500, and says nothing', async () => {
    await using here = await site()
    const answer = await here.ask('POST', '/v1/broken', [bearer(OLD)])
    expect([answer.status, JSON.parse(answer.body)]).toEqual([
      ...[500, { error: 'server_error', request_id: expect.stringMatching(UUID) }],
    ])
    expect(here.node.lastDecision()).toEqual({ verdict: 'refused', status: 500, guard: null, reason: 'server_error' })
    expect(answer.text).not.toContain('secret')
  })

  test('is told when its caller goes', async () => {
    await using here = await site()
    const caller = new RawStream(here.node.port, requestOf('POST', '/v1/slow', [bearer(OLD)]))
    await until(() => here.routes.calls.length === 1, 'the call')
    expect(here.routes.calls[0]!.signal.aborted).toBe(false)
    caller.destroy()
    await until(() => here.node.records.length === 1, 'the record')
    expect(here.routes.calls[0]!.signal.aborted).toBe(true)
    expect(here.node.lastDecision()).toEqual({ verdict: 'refused', status: null, guard: null, reason: 'caller_gone' })
  })

  test.each(['/v1/slow', '/v1/deaf'])(
    'of %s is told when the token has ended, and its caller gets an answer',
    async (path) => {
      await using here = await site()
      const asked = here.ask('POST', path, [bearer(OLD)])
      await until(() => here.routes.calls.length === 1, 'the call')
      here.node.tokens!.replace({ sends: NEW, also: [] })
      const began = performance.now()
      expect(refusal(await asked, here.node)).toEqual({
        ...{ status: 401, challenge: A1, error: 'invalid_token' },
        ...{ guard: 'bearer.session', reason: 'session_credential_ended' },
      })
      expect(performance.now() - began).toBeLessThan(2_000)
      expect(here.routes.calls[0]!.signal.aborted).toBe(true)
    },
  )

  test('goes on while the token is accepted, whatever else changes', async () => {
    await using here = await site()
    const caller = new RawStream(here.node.port, requestOf('POST', '/v1/slow', [bearer(OLD)]))
    await until(() => here.routes.calls.length === 1, 'the call')
    here.node.tokens!.replace({ sends: NEW, also: [{ token: OLD, until: here.node.clock.wallMs() + 1_000 }] })
    here.node.clock.move(999)
    await new Promise((resolve) => setImmediate(resolve))
    expect(here.routes.calls[0]!.signal.aborted).toBe(false)
    here.node.clock.move(1)
    await until(() => here.routes.calls[0]!.signal.aborted, 'its end')
    await caller.closed()
  })
})

describe('a stream of events', () => {
  const open = async (here: Site, headers: readonly (readonly [string, string])[]) => {
    const stream = new RawStream(here.node.port, requestOf('GET', '/v1/events', headers))
    const before = here.routes.sessions.length
    await until(() => here.routes.sessions.length > before, 'the session')
    return { stream, session: here.routes.sessions.at(-1)! }
  }

  test('is sent as it comes, and by none kept', async () => {
    await using here = await site()
    const { stream, session } = await open(here, [bearer(OLD)])
    session.send('leader', { id: 'orc-1', text: 'a\nb' }, '7')
    await until(() => stream.text.includes('data:'), 'the event')
    expect(stream.text).toContain('id: 7\nevent: leader\ndata: {"id":"orc-1","text":"a\\nb"}\n\n')
    expect(stream.text.toLowerCase()).toContain('content-type: text/event-stream\r\n')
    expect(stream.text.toLowerCase()).toContain('cache-control: no-store\r\n')
    expect(here.node.lastDecision()).toEqual({ verdict: 'accepted', status: 200, guard: null, reason: null })
    stream.destroy()
  })

  test('ends with its token, and that is on record', async () => {
    await using here = await site()
    const { stream, session } = await open(here, [bearer(OLD)])
    let ended = 0
    session.onEnd(() => {
      ended += 1
    })
    here.node.tokens!.replace({ sends: NEW, also: [] })
    await stream.closed()
    expect(stream.text).toContain('event: end\ndata: {"reason":"credential_ended"}\n\n')
    expect(here.node.records.at(-1)).toMatchObject({
      ...{ verdict: 'refused', layer: 'session', status: null, tokenRef: refOf(OLD) },
      ...{ guard: 'bearer.session', reason: 'session_credential_ended', action: 'GET /v1/events' },
    })
    expect(ended).toBe(1)
    session.send('late', {})
    expect(stream.text).not.toContain('late')
  })

  test('ends when the time of its token is over, and not before; another’s goes on', async () => {
    await using here = await site()
    here.node.tokens!.replace({ sends: NEW, also: [{ token: OLD, until: here.node.clock.wallMs() + 5_000 }] })
    const [old, next, anonymous] = [
      await open(here, [bearer(OLD)]),
      await open(here, [bearer(NEW)]),
      await open(here, []),
    ]
    here.node.clock.move(4_999)
    for (const { session } of [old, next, anonymous]) session.send('still', {})
    for (const { stream } of [old, next, anonymous]) await until(() => stream.text.includes('still'), 'the event')
    here.node.clock.move(1)
    await old.stream.closed()
    for (const { session } of [old, next, anonymous]) session.send('after', {})
    for (const { stream } of [next, anonymous]) await until(() => stream.text.includes('after'), 'the event')
    expect(old.stream.text).not.toContain('after')
    for (const { stream } of [next, anonymous]) stream.destroy()
  })

  test('is not opened without the token while reads are closed, nor by HEAD', async () => {
    await using here = await site({ auth: { readAccess: 'token' } })
    expect(refusal(await here.ask('GET', '/v1/events'), here.node)).toMatchObject({ status: 401, challenge: A0 })
    expect((await here.ask('HEAD', '/v1/events', [bearer(OLD)])).status).toBe(200)
    expect(here.routes.sessions).toEqual([])
  })

  test('ends with the node, and with its caller', async () => {
    const here = await site()
    const [one, other] = [await open(here, []), await open(here, [])]
    const ended: string[] = []
    one.session.onEnd(() => void ended.push('one'))
    one.stream.destroy()
    await until(() => ended.length === 1, 'the end of its caller')
    await here[Symbol.asyncDispose]()
    await other.stream.closed()
    expect(other.stream.text).toContain('data: {"reason":"stopping"}')
  })

  test('of who does not read is let go', async () => {
    await using here = await site()
    const { session } = await open(here, [])
    let hasEnded = false
    session.onEnd(() => {
      hasEnded = true
    })
    for (let at = 0; at < 20_000 && !hasEnded; at += 1) session.send('much', 'a'.repeat(1_000))
    expect(hasEnded).toBe(true)
  })
})

describe('a node without a token', () => {
  test('asks for none, and compares none', async () => {
    await using here = await site({ isWithoutToken: true })
    expect((await here.ask('POST', '/v1/runs', [json], good)).status).toBe(202)
    expect((await here.ask('POST', '/v1/runs', [json, bearer(OTHER)], good)).status).toBe(202)
    expect(JSON.parse((await here.ask('GET', '/v1/auth')).body)).toEqual({ sends: null, accepts: [] })
    expect(here.node.records.every(({ tokenRef }) => tokenRef === null)).toBe(true)
    expect((await here.ask('GET', '/nowhere')).status).toBe(404)
  })
})

describe('what a node says of itself', () => {
  test('which tokens it sends and accepts, by their refs', async () => {
    await using here = await site()
    const until = here.node.clock.wallMs() + 60_000
    here.node.tokens!.replace({ sends: NEW, also: [{ token: OLD, until }] })
    const { body } = await here.ask('GET', '/v1/auth', [bearer(NEW)])
    expect(JSON.parse(body)).toEqual({
      sends: refOf(NEW),
      accepts: [
        { ref: refOf(NEW), until: null },
        { ref: refOf(OLD), until: new Date(until).toISOString() },
      ],
    })
  })

  test('whether it is ready, and why not', async () => {
    await using here = await site()
    expect(JSON.parse((await here.ask('GET', '/readyz')).body)).toEqual({ status: 'ok' })
    here.node.health.raise('token_reload_refused')
    here.node.health.raise('storage_unavailable')
    const answer = await here.ask('GET', '/readyz')
    expect([answer.status, JSON.parse(answer.body)]).toEqual([
      ...[503, { status: 'unavailable', reasons: ['storage_unavailable', 'token_reload_refused'] }],
    ])
    expect([(await here.ask('GET', '/healthz')).status]).toEqual([200])
    here.node.health.clear('token_reload_refused')
    here.node.health.clear('storage_unavailable')
    expect((await here.ask('GET', '/readyz')).status).toBe(200)
  })

  test('nobody is told that he was let in where that cannot be put on record', async () => {
    await using here = await site()
    here.node.disk.isFull = true
    expect((await here.ask('GET', '/v1/auth', [bearer(OLD)])).status).toBe(503)
    expect((await here.ask('GET', '/v1/auth', [bearer(OTHER)])).status).toBe(401)
    here.node.disk.isFull = false
    expect(JSON.parse((await here.ask('GET', '/readyz')).body)).toEqual({
      ...{ status: 'unavailable', reasons: ['decision_log_unwritable'] },
    })
    expect((await here.ask('GET', '/readyz')).status).toBe(200)
  })
})

test('whoever keeps an eye on peers hears of each verdict on a token', async () => {
  const heard: unknown[] = []
  await using here = await site({ onHeard: ({ verdict }) => void heard.push(verdict) })
  await here.ask('GET', '/v1/auth', [bearer(OLD)])
  await here.ask('GET', '/v1/auth', [bearer(OTHER)])
  await here.ask('GET', '/v1/auth')
  await here.ask('GET', '/v1/status')
  expect(heard).toEqual(['accepted', 'refused', 'refused', undefined])
})
