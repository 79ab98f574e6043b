import { compactVerify, createLocalJWKSet, decodeJwt, decodeProtectedHeader } from 'jose'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { selfSignedIdentity, type TestIdentity, testAuthority } from '../shared/testing/certificates.ts'
import {
  type Bench,
  type CallOptions,
  createBench,
  type ListenerName,
  nodeAudience,
  nodeClient,
  PEERING,
} from './testing.ts'

let bench: Bench
let strange: TestIdentity

beforeAll(async () => {
  bench = await createBench()
  await bench.start()
  strange = await (await testAuthority(bench.folder, 'strange')).issue({ sans: ['node-b.somebiz.local.io'] })
  await bench.operate('PUT', '/clients/node-a', nodeClient('node-a'))
  await bench.operate('PUT', '/clients/node-b', nodeClient('node-b'))
  await bench.operate('PUT', '/clients/guest', {
    client_id: 'guest',
    method: 'self_signed_tls_client_auth',
    pinnedCertificate: bench.pinned.cert,
    grants: (nodeClient('guest') as { grants: unknown[] }).grants,
  })
})
afterAll(() => bench.dispose())

const request = { grant_type: 'client_credentials', client_id: 'node-b', resource: nodeAudience('node-b') }

async function tokenFor(as = bench.nodeB, form: Record<string, string> = request): Promise<string> {
  const answer = await bench.call('mtls', 'POST', '/token', { as, form })
  expect(answer.status).toBe(200)
  return answer.json.access_token
}

const introspect = (as: TestIdentity, clientId: string, token: string) =>
  bench.call('mtls', 'POST', '/token/introspection', { as, form: { client_id: clientId, token } })

test('a token is bound to the certificate, signed with the published key, and has exactly the promised claims', async () => {
  const answer = await bench.call('mtls', 'POST', '/token', { as: bench.nodeB, form: request })

  expect(answer.status).toBe(200)
  expect(answer.headers['cache-control']).toBe('no-store')
  expect(answer.json).toMatchObject({ token_type: 'Bearer', expires_in: expect.any(Number) })
  const claims = decodeJwt(answer.json.access_token)
  expect(claims).toEqual({
    iss: bench.configuration.issuer,
    sub: 'node-b',
    aud: [nodeAudience('node-b'), PEERING],
    client_id: 'node-b',
    jti: expect.stringMatching(/^.{43}$/),
    iat: expect.any(Number),
    exp: expect.any(Number),
    scope: 'node:read node:routes peer:connect',
    cnf: { 'x5t#S256': bench.nodeB.x5t },
    token_use: 'node',
    sans: ['node-b.somebiz.local.io'],
    trusted_domains: ['b.test'],
  })
  expect(bench.lastDecision()).toMatchObject({
    action: 'token:request',
    verdict: 'accepted',
    status: 200,
    guard: null,
    reason: null,
    principal: { 'x5t#S256': bench.nodeB.x5t, client_id: 'node-b', jti: claims.jti },
  })
  const jwks = (await bench.call('public', 'GET', '/jwks')).json
  await compactVerify(answer.json.access_token, createLocalJWKSet(jwks))
  expect(decodeProtectedHeader(answer.json.access_token)).toEqual({
    typ: 'at+jwt',
    alg: 'ES256',
    kid: jwks.keys[0].kid,
  })
})

test('a token never outlives its certificate, and says so in expires_in', async () => {
  const notAfter = new Date(Date.now() + 120_000)
  const short = await bench.own.issue({ sans: ['node-b.somebiz.local.io'], notAfter })
  const answer = await bench.call('mtls', 'POST', '/token', { as: short, form: request })

  expect(decodeJwt(answer.json.access_token).exp).toBe(Math.floor(notAfter.getTime() / 1000))
  expect(answer.json.expires_in).toBeLessThanOrEqual(120)
  const other = await bench.call('mtls', 'POST', '/token', { as: bench.nodeB, form: request })
  expect(other.json.expires_in).toBeGreaterThan(120)
})

test('without a resource the first grant is meant, without a scope all of it', async () => {
  const claims = decodeJwt(await tokenFor(bench.nodeB, { grant_type: 'client_credentials', client_id: 'node-b' }))

  expect(claims).toMatchObject({ aud: [nodeAudience('node-b'), PEERING], scope: 'node:read node:routes peer:connect' })
})

test('a peer grant gives a peer token with one audience, its nodes and the scope that was asked for', async () => {
  const resource = 'https://node-c.somebiz.local.io'
  const claims = decodeJwt(await tokenFor(bench.nodeB, { ...request, resource, scope: 'peer:connect' }))

  expect(claims).toMatchObject({
    aud: resource,
    scope: 'peer:connect',
    token_use: 'peer',
    trusted_domains: [],
    trusted_nodes: ['node-c'],
  })
  expect((claims.exp as number) - (claims.iat as number)).toBeLessThanOrEqual(900)
})

test('a self-signed certificate counts when it is pinned, whatever its chain', async () => {
  const claims = decodeJwt(await tokenFor(bench.pinned, { grant_type: 'client_credentials', client_id: 'guest' }))

  expect(claims).toMatchObject({ sub: 'guest', cnf: { 'x5t#S256': bench.pinned.x5t } })
})

test.each<[string, string, () => TestIdentity | Promise<TestIdentity> | undefined, Record<string, string>, object]>([
  ['no certificate', 'cert_missing', () => undefined, {}, {}],
  ['an unknown client', 'client_unknown', () => bench.nodeB, { client_id: 'nobody' }, {}],
  ['no client_id', 'client_unknown', () => bench.nodeB, { client_id: '' }, {}],
  ['a secret', 'method_not_allowed', () => bench.nodeB, { client_secret: 'x' }, {}],
  ['an assertion', 'method_not_allowed', () => bench.nodeB, { client_assertion: 'x' }, {}],
  ['an Authorization header', 'method_not_allowed', () => bench.nodeB, {}, { authorization: 'Basic bm9kZS1iOng=' }],
  ['a CA that is trusted for other clients', 'anchor_mismatch', () => bench.foreignB, {}, {}],
  ['an unknown CA', 'anchor_mismatch', () => strange, {}, {}],
  [
    'a self-signed certificate with the right name',
    'anchor_mismatch',
    () => selfSignedIdentity(bench.folder, { sans: ['node-b.somebiz.local.io'] }),
    {},
    {},
  ],
  [
    'an expired certificate',
    'cert_expired',
    () => bench.own.issue({ sans: ['node-b.somebiz.local.io'], notAfter: new Date(Date.now() - 1_000) }),
    {},
    {},
  ],
  ['the certificate of another node', 'san_mismatch', () => bench.nodeA, {}, {}],
  [
    'the right name as CN only',
    'san_mismatch',
    () => bench.own.issue({ sans: ['x.somebiz.local.io'], commonName: 'node-b.somebiz.local.io' }),
    {},
    {},
  ],
  ['a wildcard name', 'san_mismatch', () => bench.own.issue({ sans: ['*.somebiz.local.io'] }), {}, {}],
  ['a certificate that is not pinned', 'pin_mismatch', () => bench.nodeB, { client_id: 'guest' }, {}],
])('%s is no client: %s', async (_, reason, identity, change, headers) => {
  const form = { ...request, ...change }
  const answer = await bench.call('mtls', 'POST', '/token', { as: await identity(), form, headers: { ...headers } })

  expect(answer.status).toBe(401)
  expect(answer.json).toEqual({ error: 'invalid_client', error_description: 'client authentication failed' })
  expect(answer.headers['cache-control']).toBe('no-store')
  expect(bench.lastDecision()).toMatchObject({
    action: 'token:request',
    verdict: 'refused',
    status: 401,
    error: 'invalid_client',
    guard: 'token.client',
    reason,
  })
  await tokenFor() // positive control: only the attacked element was wrong
})

test('the public listener gives no token, even to a client with its certificate', async () => {
  const answer = await bench.call('public', 'POST', '/token', { as: bench.nodeB, form: request })

  expect(answer).toMatchObject({ status: 401, json: { error: 'invalid_client' } })
  expect(bench.lastDecision()).toMatchObject({ listener: 'public', guard: 'token.client', reason: 'cert_missing' })
})

test.each([
  [{ grant_type: 'authorization_code' }, 'unsupported_grant_type', 'grant_unsupported'],
  [{ grant_type: 'refresh_token' }, 'unsupported_grant_type', 'grant_unsupported'],
  [{ resource: 'https://node-x.somebiz.local.io' }, 'invalid_target', 'target_invalid'],
  [{ resource: `${nodeAudience('node-b')}/` }, 'invalid_target', 'target_invalid'],
  [{ resource: ' ' }, 'invalid_target', 'target_invalid'],
  [{ scope: 'node:read peer:announce' }, 'invalid_scope', 'scope_invalid'],
  [{ scope: 'admin' }, 'invalid_scope', 'scope_invalid'],
  [{ scope: ' ' }, 'invalid_scope', 'scope_invalid'],
])('a request with %o is refused as %s', async (change, error, reason) => {
  const answer = await bench.call('mtls', 'POST', '/token', { as: bench.nodeB, form: { ...request, ...change } })

  expect(answer).toMatchObject({ status: 400, json: { error } })
  expect(answer.headers['cache-control']).toBe('no-store')
  expect(bench.lastDecision()).toMatchObject({ verdict: 'refused', guard: 'token.grant', reason, error })
  await tokenFor()
})

test('two resources, and a repeated parameter, are refused', async () => {
  const body = new URLSearchParams(request)
  body.append('resource', 'https://node-c.somebiz.local.io')
  const two = await bench.call('mtls', 'POST', '/token', { as: bench.nodeB, form: body.toString() })
  expect(two).toMatchObject({ status: 400, json: { error: 'invalid_target' } })

  const twice = await bench.call('mtls', 'POST', '/token', {
    as: bench.nodeB,
    form: `${new URLSearchParams(request)}&client_id=node-a`,
  })
  expect(twice).toMatchObject({ status: 400, json: { error: 'invalid_request' } })
  expect(bench.lastDecision()).toMatchObject({ guard: 'request.form', reason: 'parameter_repeated' })
})

test('a parameter without a value is as good as left out, at every endpoint', async () => {
  const empty = {
    scope: '',
    resource: '',
    client_secret: '',
    client_assertion: '',
    client_assertion_type: '',
    more: '',
  }
  const token = await tokenFor(bench.nodeB, { ...empty, grant_type: 'client_credentials', client_id: 'node-b' })
  expect(decodeJwt(token)).toMatchObject({ scope: 'node:read node:routes peer:connect' })

  for (const path of ['/token/introspection', '/token/revocation']) {
    const form = { client_id: 'node-b', token, token_type_hint: '', client_secret: '', client_assertion: '' }
    expect(await bench.call('mtls', 'POST', path, { as: bench.nodeB, form })).toMatchObject({ status: 200 })
    // What must be there is not there without a value, and what stands twice stands twice.
    for (const [wrong, reason] of [
      [new URLSearchParams({ ...form, token: '' }).toString(), 'parameter_missing'],
      [`${new URLSearchParams(form)}&client_secret=`, 'parameter_repeated'],
    ] as const) {
      const answer = await bench.call('mtls', 'POST', path, { as: bench.nodeB, form: wrong })
      expect(answer).toMatchObject({ status: 400, json: { error: 'invalid_request' } })
      expect(bench.lastDecision()).toMatchObject({ guard: 'request.form', reason })
    }
  }
})

test.each<[string, CallOptions, number, string]>([
  ['JSON', { json: request }, 415, 'media_type_unsupported'],
  ['no media type', { body: new URLSearchParams(request).toString() }, 415, 'media_type_unsupported'],
  ['more than 64 KiB', { form: { ...request, more: 'x'.repeat(70_000) } }, 413, 'body_too_large'],
  [
    'broken UTF-8',
    { body: Buffer.from([0xff]), headers: { 'content-type': 'application/x-www-form-urlencoded' } },
    400,
    'body_malformed',
  ],
])('a form as %s is refused', async (_, options, status, reason) => {
  const answer = await bench.call('mtls', 'POST', '/token', { as: bench.nodeB, ...options })

  expect(answer).toMatchObject({ status, json: { error: 'invalid_request' } })
  expect(bench.lastDecision()).toMatchObject({ action: 'token:request', guard: 'request.form', reason })
})

test.each(['/token/introspection', '/token/revocation'])('%s without a token is refused', async (path) => {
  const answer = await bench.call('mtls', 'POST', path, { as: bench.nodeB, form: { client_id: 'node-b' } })

  expect(answer).toMatchObject({ status: 400, json: { error: 'invalid_request' } })
  expect(bench.lastDecision()).toMatchObject({ guard: 'request.form', reason: 'parameter_missing' })
})

test('introspection tells an audience all about a token, and everybody else nothing', async () => {
  const token = await tokenFor()
  const claims = decodeJwt(token)

  expect((await introspect(bench.nodeB, 'node-b', token)).json).toEqual({
    active: true,
    token_type: 'Bearer',
    ...claims,
  })
  expect(bench.lastDecision()).toMatchObject({ action: 'token:introspect', effect: 'active', verdict: 'accepted' })
  // node-a introspects for the peering audience, which this token has; the guest introspects for nobody.
  expect((await introspect(bench.nodeA, 'node-a', token)).json.active).toBe(true)
  expect((await introspect(bench.pinned, 'guest', token)).json).toEqual({ active: false })
  expect(bench.lastDecision()).toMatchObject({ effect: 'inactive:other_audience' })
})

test('introspection without client authentication is refused', async () => {
  const token = await tokenFor()
  const answer = await bench.call('mtls', 'POST', '/token/introspection', { form: { client_id: 'node-b', token } })

  expect(answer).toMatchObject({ status: 401, json: { error: 'invalid_client' } })
  expect((await introspect(bench.nodeA, 'node-b', token)).status).toBe(401)
})

test.each<[string, (token: string) => string, string]>([
  ['a blank', () => ' ', 'inactive:malformed'],
  ['no token', () => 'some-token', 'inactive:malformed'],
  ['another signature', (token) => `${token.slice(0, -8)}AAAAAAAA`, 'inactive:forged'],
  [
    'an unknown key',
    (token) => `${header({ ...decodeProtectedHeader(token), kid: 'x' })}.${rest(token)}`,
    'inactive:unknown_key',
  ],
  [
    'no algorithm',
    (token) => `${header({ ...decodeProtectedHeader(token), alg: 'none' })}.${rest(token)}`,
    'inactive:forged',
  ],
  [
    'another type',
    (token) => `${header({ ...decodeProtectedHeader(token), typ: 'JWT' })}.${rest(token)}`,
    'inactive:malformed',
  ],
  ['64 kB', (token) => token + 'A'.repeat(30_000), 'inactive:malformed'],
])('a token with %s is inactive', async (_, spoil, effect) => {
  const token = await tokenFor()
  const answer = await introspect(bench.nodeB, 'node-b', spoil(token))

  expect(answer).toMatchObject({ status: 200, json: { active: false } })
  expect(bench.lastDecision()).toMatchObject({ effect })
})

const header = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
const rest = (token: string): string => token.split('.').slice(1).join('.')

test('a client ends its own token, and nobody else’s', async () => {
  const token = await tokenFor()
  const revoke = (as: TestIdentity, clientId: string, text: string) =>
    bench.call('mtls', 'POST', '/token/revocation', { as, form: { client_id: clientId, token: text } })

  expect(await revoke(bench.nodeA, 'node-a', token)).toMatchObject({ status: 200, text: '' })
  expect(bench.lastDecision()).toMatchObject({ action: 'token:revoke', effect: 'unchanged:other_client' })
  expect((await introspect(bench.nodeB, 'node-b', token)).json.active).toBe(true)
  expect((await revoke(bench.nodeB, 'node-b', 'unknown')).status).toBe(200)

  expect((await revoke(bench.nodeB, 'node-b', token)).status).toBe(200)
  expect(bench.lastDecision()).toMatchObject({ effect: 'revoked' })
  expect((await introspect(bench.nodeB, 'node-b', token)).json).toEqual({ active: false })
  expect(bench.lastDecision()).toMatchObject({ effect: 'inactive:revoked' })
  expect((await revoke(bench.nodeB, 'node-b', token)).status).toBe(200)
})

test('a holder proves its certificate by its handshake', async () => {
  const answer = await bench.call('mtls', 'PUT', '/holders/self', { as: bench.nodeB, json: { client_id: 'node-b' } })

  expect(answer).toMatchObject({
    status: 200,
    json: { client_id: 'node-b', 'x5t#S256': bench.nodeB.x5t, sans: ['node-b.somebiz.local.io'] },
  })
  expect(bench.lastDecision()).toMatchObject({ action: 'holder:prove', verdict: 'accepted' })
  const wrong = await bench.call('mtls', 'PUT', '/holders/self', { as: bench.nodeA, json: { client_id: 'node-b' } })
  expect(wrong).toMatchObject({ status: 401, json: { error: 'invalid_client' } })
})

test('metadata and keys are there for everybody, and hold public parts only', async () => {
  const metadata = await bench.call('public', 'GET', '/.well-known/oauth-authorization-server')
  const mtls = `https://auth.somebiz.local.io:${bench.configuration.listen.mtls.split(':')[1]}`

  expect(metadata.json).toMatchObject({
    issuer: bench.configuration.issuer,
    jwks_uri: `${bench.configuration.issuer}/jwks`,
    mtls_endpoint_aliases: {
      token_endpoint: `${mtls}/token`,
      introspection_endpoint: `${mtls}/token/introspection`,
      revocation_endpoint: `${mtls}/token/revocation`,
    },
    tls_client_certificate_bound_access_tokens: true,
    grant_types_supported: ['client_credentials'],
    token_endpoint_auth_methods_supported: ['tls_client_auth', 'self_signed_tls_client_auth'],
  })
  expect((await bench.call('public', 'GET', '/.well-known/openid-configuration')).json).toEqual(metadata.json)
  const jwks = await bench.call('public', 'GET', '/jwks')
  expect(jwks.headers['cache-control']).toBe('max-age=60')
  for (const key of jwks.json.keys) expect(key).not.toHaveProperty('d')
})

test.each([
  ['public', 'GET', '/operator/v1/tokens', 404, 'path_unknown', undefined],
  ['public', 'POST', '/token/introspection', 404, 'path_unknown', undefined],
  ['public', 'POST', '/jwks', 405, 'method_not_allowed', 'GET, HEAD'],
  ['public', 'HEAD', '/token', 405, 'method_not_allowed', 'POST'],
  ['mtls', 'GET', '/token', 405, 'method_not_allowed', 'POST'],
  ['mtls', 'POST', '/holders/self', 405, 'method_not_allowed', 'PUT'],
  ['mtls', 'POST', '/reg', 404, 'path_unknown', undefined],
  ['mtls', 'GET', '/__proto__', 404, 'path_unknown', undefined],
] as const)('%s %s %s is answered with %i', async (listener, method, path, status, reason, allow) => {
  const answer = await bench.call(listener, method, path, { as: bench.nodeB })
  expect(answer).toMatchObject({ status })
  expect(answer.headers.allow).toBe(allow)
  expect(bench.lastDecision()).toMatchObject({ guard: 'request.route', reason })
})

test('HEAD is answered as GET is, without the body', async () => {
  for (const path of ['/jwks', '/.well-known/oauth-authorization-server', '/nothing']) {
    const [got, head] = [await bench.call('public', 'GET', path), await bench.call('public', 'HEAD', path)]
    expect({ ...head.headers, date: '' }).toEqual({ ...got.headers, date: '' })
    expect([head.status, head.text]).toEqual([got.status, ''])
  }
})

test('fifty requests at once give fifty tokens, each recorded before it was answered', async () => {
  const tokens = await Promise.all(Array.from({ length: 50 }, () => tokenFor()))
  const ids = new Set(tokens.map((token) => decodeJwt(token).jti))

  expect(ids.size).toBe(50)
  const listed = await bench.operate('GET', '/tokens?subject=node-b&limit=1000')
  const known = new Set(listed.json.tokens.map(({ jti }: { jti: string }) => jti))
  expect([...ids].filter((jti) => !known.has(jti))).toEqual([])
})

test('neither records nor storage hold a token', async () => {
  const token = await tokenFor()
  const { readFileSync, readdirSync, statSync } = await import('node:fs')
  const { dirname } = await import('node:path')
  const folder = dirname(bench.configuration.storage.path)
  const files = [...readdirSync(folder).map((name) => `${folder}/${name}`), bench.configuration.decisionLog]

  expect(files.length).toBeGreaterThan(1)
  expect(statSync(folder).mode & 0o777).toBe(0o700)
  const [, payload = '', signature = ''] = token.split('.')
  for (const file of files) {
    expect(statSync(file).mode & 0o777).toBe(0o600)
    const content = readFileSync(file, 'latin1')
    expect(content.includes(signature) || content.includes(payload)).toBe(false)
  }
})

test('no script of another origin may read an answer', async () => {
  const headers = { origin: 'https://evil.test' }
  const given = await bench.call('mtls', 'POST', '/token', { as: bench.nodeB, form: request, headers })
  const refused = await bench.call('mtls', 'POST', '/token', { as: bench.nodeA, form: request, headers })

  expect([given.status, refused.status]).toEqual([200, 401])
  for (const answer of [given, refused]) {
    expect(Object.keys(answer.headers).filter((name) => name.startsWith('access-control-'))).toEqual([])
  }
})

test.each(['notBefore', 'notAfter'] as const)(
  'a pinned certificate is good within its time only: %s',
  async (limit) => {
    const now = Date.now()
    const time = limit === 'notBefore' ? { notBefore: new Date(now + 60_000) } : { notAfter: new Date(now - 1_000) }
    const early = await selfSignedIdentity(bench.folder, { sans: ['early.example.org'], ...time })
    await bench.operate('PUT', '/clients/early', {
      client_id: 'early',
      method: 'self_signed_tls_client_auth',
      pinnedCertificate: [early.cert, bench.pinned.cert],
      grants: (nodeClient('early') as { grants: unknown[] }).grants,
    })
    const ask = (as: TestIdentity) =>
      bench.call('mtls', 'POST', '/token', {
        as,
        form: { ...request, client_id: 'early', resource: nodeAudience('early') },
      })

    expect((await ask(bench.pinned)).status).toBe(200)
    expect(await ask(early)).toMatchObject({ status: 401, json: { error: 'invalid_client' } })
    const reason = limit === 'notBefore' ? 'cert_not_yet_valid' : 'cert_expired'
    expect(bench.lastDecision()).toMatchObject({ guard: 'token.client', reason })
  },
)

test.each<[string, Record<string, string | string[]>, number, string]>([
  ['another host', { host: 'node-a.somebiz.local.io' }, 421, 'host_mismatch'],
  ['our host at another port', { host: 'auth.somebiz.local.io:1' }, 421, 'host_mismatch'],
  ['a dot more than our host', { host: 'auth.somebiz.local.io.' }, 421, 'host_mismatch'],
  ['an address', { host: '127.0.0.1' }, 421, 'host_mismatch'],
  ['two hosts', { host: ['auth.somebiz.local.io', 'node-a.somebiz.local.io'] }, 400, 'host_repeated'],
])('a request for %s is refused by every listener', async (_, headers, status, reason) => {
  const ask = (listener: ListenerName, path: string, as: TestIdentity, given: Record<string, string | string[]>) =>
    bench.call(listener, 'GET', path, { as, headers: given as Record<string, string> })
  const asked = [
    ['public', '/jwks', bench.nodeB],
    ['operator', '/operator/v1/clients', bench.operator],
    ['operator', '/healthz', bench.operator],
  ] as const
  for (const [listener, path, as] of asked) {
    for (const host of ['auth.somebiz.local.io', 'AUTH.somebiz.local.io']) {
      expect((await ask(listener, path, as, { host })).status).toBe(200)
    }
    expect((await ask(listener, path, as, headers)).status).toBe(status)
    expect(bench.lastDecision()).toMatchObject({ listener, guard: 'request.host', reason })
  }
  const form = { as: bench.nodeB, form: request }
  expect((await bench.call('mtls', 'POST', '/token', form)).status).toBe(200)
  const other = { ...form, headers: headers as Record<string, string> }
  expect((await bench.call('mtls', 'POST', '/token', other)).status).toBe(status)
  expect((await bench.call('mtls', 'POST', 'https://evil.test/token', form)).status).toBe(421)
})
