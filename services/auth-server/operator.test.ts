import { decodeJwt, decodeProtectedHeader } from 'jose'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { selfSignedIdentity, testAuthority } from '../shared/testing/certificates.ts'
import type { StoredToken } from './model.ts'
import { openStore } from './store/store.ts'
import { type Bench, createBench, nodeAudience, nodeClient, PEERING } from './testing.ts'

let bench: Bench

beforeAll(async () => {
  bench = await createBench()
  await bench.start()
  await bench.operate('PUT', '/clients/node-b', nodeClient('node-b'))
  await prove('node-b')
})
afterAll(() => bench.dispose())

const prove = (clientId: string, as = bench.nodeB) =>
  bench.call('mtls', 'PUT', '/holders/self', { as, json: { client_id: clientId } })

const order = { clientId: 'node-b', resource: nodeAudience('node-b') }

async function minted(
  change: Record<string, unknown> = {},
): Promise<{ access_token: string; jti: string; exp: number }> {
  const answer = await bench.operate('POST', '/tokens', { ...order, ...change })
  expect(answer.status).toBe(201)
  return answer.json
}

async function isActive(token: string): Promise<boolean> {
  const form = { client_id: 'node-b', token }
  return (await bench.call('mtls', 'POST', '/token/introspection', { as: bench.nodeB, form })).json.active
}

async function tokenRows(query = ''): Promise<{ jti: string; state: string }[]> {
  return (await bench.operate('GET', `/tokens?limit=1000${query}`)).json.tokens
}

test('a minted token is like one from the token endpoint', async () => {
  const answer = await bench.operate('POST', '/tokens', { ...order, scope: ['node:read'], expiresIn: 60 })
  const form = { grant_type: 'client_credentials', client_id: 'node-b', scope: 'node:read' }
  const requested = await bench.call('mtls', 'POST', '/token', { as: bench.nodeB, form })

  expect(answer.json).toEqual({
    access_token: expect.any(String),
    use: 'node',
    jti: expect.any(String),
    exp: expect.any(Number),
    'x5t#S256': bench.nodeB.x5t,
  })
  const [mint, request] = [answer.json.access_token, requested.json.access_token]
  expect(decodeProtectedHeader(mint)).toEqual(decodeProtectedHeader(request))
  const { jti, iat, exp, ...claims } = decodeJwt(mint)
  const { jti: _, iat: __, exp: ___, ...others } = decodeJwt(request)
  expect(claims).toEqual(others)
  expect({ jti, exp }).toEqual({ jti: answer.json.jti, exp: answer.json.exp })
  expect((exp as number) - (iat as number)).toBe(60)
  expect(
    bench
      .decisions()
      .filter(({ action }) => action === 'operator:mint')
      .at(-1),
  ).toMatchObject({
    verdict: 'accepted',
    status: 201,
    principal: { san: 'operator.somebiz.local.io', jti, sub: 'node-b' },
  })
})

test('without a thumbprint the newest proven certificate is meant, and any proven one can be named', async () => {
  const renewed = await bench.own.issue({ sans: ['node-b.somebiz.local.io'] })
  expect((await prove('node-b', renewed)).status).toBe(200)

  expect(decodeJwt((await minted()).access_token).cnf).toEqual({ 'x5t#S256': renewed.x5t })
  const named = await minted({ 'x5t#S256': bench.nodeB.x5t })
  expect(decodeJwt(named.access_token).cnf).toEqual({ 'x5t#S256': bench.nodeB.x5t })
  await prove('node-b')
  expect(decodeJwt((await minted()).access_token).cnf).toEqual({ 'x5t#S256': bench.nodeB.x5t })
  const { holders } = (await bench.operate('GET', '/holders?client=node-b')).json
  expect(holders.map((holder: Record<string, unknown>) => holder['x5t#S256'])).toEqual([bench.nodeB.x5t, renewed.x5t])
})

test.each<[string, Record<string, unknown>, number, string]>([
  ['an unknown client', { clientId: 'nobody' }, 404, 'client_unknown'],
  ['a client that proved nothing', { clientId: 'idle', resource: nodeAudience('idle') }, 403, 'holder_unproven'],
  ['a certificate that nobody proved', { 'x5t#S256': 'A'.repeat(43) }, 403, 'holder_unproven'],
  ['a resource without a grant', { resource: nodeAudience('node-x') }, 403, 'resource_not_allowed'],
  ['a scope outside the grant', { scope: ['node:read', 'peer:announce'] }, 403, 'scope_not_allowed'],
  ['no life', { expiresIn: 0 }, 400, 'ttl_invalid'],
  ['a negative life', { expiresIn: -1 }, 400, 'ttl_invalid'],
  ['29 seconds', { expiresIn: 29 }, 400, 'ttl_invalid'],
  ['more than the grant allows', { expiresIn: 3601 }, 400, 'ttl_invalid'],
  ['ten years', { expiresIn: 315_360_000 }, 400, 'ttl_invalid'],
  ['half a second', { expiresIn: 60.5 }, 400, 'ttl_invalid'],
  ['a text as life', { expiresIn: '1h;rm' }, 400, 'ttl_invalid'],
  ['a number in quotes', { expiresIn: '60' }, 400, 'ttl_invalid'],
  ['a number that is none', { expiresIn: null }, 400, 'ttl_invalid'],
  ['a life beyond safe integers', { expiresIn: 9007199254740993n }, 400, 'ttl_invalid'],
])('minting for %s is refused, and leaves no row', async (_, change, status, reason) => {
  await bench.operate('PUT', '/clients/idle', nodeClient('idle'))
  const before = await tokenRows()
  const json = JSON.stringify({ ...order, ...change }, (_key, value) =>
    typeof value === 'bigint' ? 0 : value,
  ).replace('"expiresIn":0', typeof change.expiresIn === 'bigint' ? '"expiresIn":9007199254740993' : '"expiresIn":0')
  const answer = await bench.call('operator', 'POST', '/operator/v1/tokens', {
    as: bench.operator,
    body: json,
    headers: { 'content-type': 'application/json' },
  })

  expect(answer.status).toBe(status)
  expect(bench.lastDecision()).toMatchObject({
    action: 'operator:mint',
    verdict: 'refused',
    guard: 'mint.holder',
    reason,
  })
  expect(await tokenRows()).toEqual(before)
  await minted()
})

test('a certificate that ended since it was proven is no holder any more', async () => {
  const store = openStore(bench.configuration.storage.path)
  const ended = { notBefore: 1, notAfter: 2, sans: [], provenAt: 1 }
  store.clients.prove({ clientId: 'node-b', x5t: `${'B'.repeat(42)}A`, ...ended })
  await store.close()

  const answer = await bench.operate('POST', '/tokens', { ...order, 'x5t#S256': `${'B'.repeat(42)}A` })
  expect(answer.status).toBe(400)
  expect(bench.lastDecision()).toMatchObject({ guard: 'mint.holder', reason: 'holder_expired' })
  await prove('node-b')
})

test.each([
  'claims',
  'iss',
  'sub',
  'aud',
  'cnf',
  'jti',
  'exp',
  'fingerprint',
  'certificate',
  '__proto__',
  'constructor',
])('the member %s is refused', async (member) => {
  const before = await tokenRows()
  const body = `${JSON.stringify(order).slice(0, -1)},"${member}":{"sub":"node-a"}}`
  const headers = { 'content-type': 'application/json' }
  const answer = await bench.call('operator', 'POST', '/operator/v1/tokens', { as: bench.operator, body, headers })

  expect(answer).toMatchObject({ status: 400, json: { error: 'invalid_request' } })
  expect(bench.lastDecision()).toMatchObject({ guard: 'request.json', reason: 'member_invalid' })
  expect(await tokenRows()).toEqual(before)
})

test.each<[string, string | Buffer, string | undefined, number, string]>([
  ['a repeated member', '{"jti":"a","jti":"b"}', 'application/json', 400, 'body_malformed'],
  ['a member repeated by an escape', '{"jti":"a","\\u006ati":"b"}', 'application/json', 400, 'body_malformed'],
  ['no JSON', '{jti:1}', 'application/json', 400, 'body_malformed'],
  ['nothing', '', 'application/json', 400, 'body_malformed'],
  ['broken UTF-8', Buffer.from([0x22, 0xff, 0x22]), 'application/json', 400, 'body_malformed'],
  ['nesting of 40', `${'['.repeat(40)}${']'.repeat(40)}`, 'application/json', 400, 'body_malformed'],
  ['an array', '[]', 'application/json', 400, 'member_invalid'],
  ['null', 'null', 'application/json', 400, 'member_invalid'],
  ['more than 64 KiB', `{"jti":"${'a'.repeat(70_000)}"}`, 'application/json', 413, 'body_too_large'],
  ['no media type', '{"jti":"a"}', undefined, 415, 'media_type_unsupported'],
  ['a form', 'jti=a', 'application/x-www-form-urlencoded', 415, 'media_type_unsupported'],
  ['text', '{"jti":"a"}', 'text/plain', 415, 'media_type_unsupported'],
  ['another charset', '{"jti":"a"}', 'application/json; charset=utf-16', 415, 'media_type_unsupported'],
])('a body of %s is refused', async (_, body, type, status, reason) => {
  const headers: Record<string, string> = type === undefined ? {} : { 'content-type': type }
  const answer = await bench.call('operator', 'POST', '/operator/v1/tokens/revoke', {
    as: bench.operator,
    body,
    headers,
  })

  expect(answer).toMatchObject({ status, json: { error: 'invalid_request' } })
  expect(bench.lastDecision()).toMatchObject({ action: 'operator:revoke', guard: 'request.json', reason })
})

test('no operator, no answer: node certificates, tokens and other CAs get nowhere', async () => {
  const { access_token: token } = await minted()
  const paths = ['/clients', '/tokens', '/keys', '/holders', '/nothing']
  for (const path of paths) {
    const answer = await bench.call('operator', 'GET', `/operator/v1${path}`, { as: bench.nodeB })
    expect(answer).toMatchObject({ status: 403, json: { error: 'access_denied' } })
    expect(bench.lastDecision()).toMatchObject({ guard: 'operator.caller', reason: 'not_operator' })
  }
  for (const [method, path] of [
    ['POST', '/tokens'],
    ['POST', '/tokens/revoke'],
    ['POST', '/keys/rotate'],
    ['GET', '/tokens'],
  ] as const) {
    const headers = { authorization: `Bearer ${token}` }
    const answer = await bench.call('operator', method, `/operator/v1${path}`, { as: bench.nodeB, headers })
    expect(answer).toMatchObject({ status: 403, json: { error: 'insufficient_scope' } })
    expect(answer.headers['www-authenticate']).toContain('error="insufficient_scope"')
  }
  expect((await bench.operate('GET', '/tokens')).status).toBe(200)
})

test('the operator listener ends connections that have no certificate of the own CA', async () => {
  const strange = await testAuthority(bench.folder, 'strange-operator')
  const name = { sans: ['operator.somebiz.local.io'] }
  const attempts = [
    [undefined, 'cert_missing'],
    [await strange.issue(name), 'cert_untrusted'],
    [await bench.foreign.issue(name), 'cert_untrusted'],
    [await selfSignedIdentity(bench.folder, name), 'cert_untrusted'],
    [await bench.own.issue({ ...name, notAfter: new Date(Date.now() - 1_000) }), 'cert_expired'],
    [await bench.own.issue({ ...name, notBefore: new Date(Date.now() + 60_000) }), 'cert_not_yet_valid'],
    [await bench.own.issue({ ...name, extendedKeyUsage: ['1.3.6.1.5.5.7.3.1'] }), 'cert_eku_invalid'],
    [await bench.own.issue({ ...name, rsaBits: 1024 }), 'cert_weak'],
  ] as const
  for (const [as, reason] of attempts) {
    await expect(bench.call('operator', 'GET', '/operator/v1/keys', { as })).rejects.toThrow()
    expect(bench.lastDecision()).toMatchObject({ layer: 'tls', guard: 'operator.tls', reason, verdict: 'refused' })
  }
  const good = await bench.own.issue(name)
  expect((await bench.call('operator', 'GET', '/operator/v1/keys', { as: good })).status).toBe(200)
})

test('clients are put, shown, replaced and removed', async () => {
  const registration = nodeClient('node-z')
  expect((await bench.operate('PUT', '/clients/node-z', registration)).status).toBe(201)
  expect((await bench.operate('PUT', '/clients/node-z', { ...registration, introspects: [] })).status).toBe(200)
  expect((await bench.operate('GET', '/clients/node-z')).json).toMatchObject({ client_id: 'node-z', introspects: [] })
  expect(
    (await bench.operate('GET', '/clients')).json.clients.map((client: { client_id: string }) => client.client_id),
  ).toContain('node-z')
  expect((await bench.operate('DELETE', '/clients/node-z')).status).toBe(204)
  expect((await bench.operate('DELETE', '/clients/node-z')).status).toBe(404)
  expect((await bench.operate('GET', '/clients/node-z')).status).toBe(404)
  expect(bench.lastDecision()).toMatchObject({ guard: 'operator.object', reason: 'object_unknown' })
})

test.each<[string, (client: Record<string, unknown>) => void]>([
  ['an unknown member', (client) => Object.assign(client, { secret: 'x' })],
  ['the id of another client', (client) => Object.assign(client, { client_id: 'node-y' })],
  ['an unknown method', (client) => Object.assign(client, { method: 'client_secret_basic' })],
  ['no SAN', (client) => delete client.sanDns],
  ['a wildcard SAN', (client) => Object.assign(client, { sanDns: '*.somebiz.local.io' })],
  ['an unknown trust domain', (client) => Object.assign(client, { trustDomain: 'nowhere' })],
  ['a pin that is no certificate', (client) => pinned(client, 'some text')],
  ['a thumbprint for a certificate', (client) => pinned(client, 'A'.repeat(43))],
  ['a plaintext audience', (client) => grantOf(client, { aud: ['http://node-z'] })],
  ['no audience', (client) => grantOf(client, { aud: [] })],
  ['a repeated resource', (client) => Object.assign(client, { grants: [...grants(client), ...grants(client)] })],
  ['an unknown use', (client) => grantOf(client, { use: 'admin' })],
  ['a scope with a space', (client) => grantOf(client, { scopes: ['a b'] })],
  ['a longer life than the server gives', (client) => grantOf(client, { maxTtlSeconds: 86_401 })],
  ['a life in text', (client) => grantOf(client, { maxTtlSeconds: '60' })],
])('a registration with %s is refused', async (_, spoil) => {
  const client = structuredClone(nodeClient('node-z'))
  spoil(client)

  expect(await bench.operate('PUT', '/clients/node-z', client)).toMatchObject({ status: 400 })
  expect(bench.lastDecision()).toMatchObject({ guard: 'request.json', reason: 'member_invalid' })
  expect((await bench.operate('GET', '/clients/node-z')).status).toBe(404)
})

const grants = (client: Record<string, unknown>) => client.grants as Record<string, unknown>[]
const grantOf = (client: Record<string, unknown>, change: object) => Object.assign(grants(client)[0] as object, change)
function pinned(client: Record<string, unknown>, pinnedCertificate: string): void {
  delete client.sanDns
  delete client.trustDomain
  Object.assign(client, { method: 'self_signed_tls_client_auth', pinnedCertificate })
}

test('a certificate that a new registration would not take is no holder any more', async () => {
  const other = await selfSignedIdentity(bench.folder, { sans: ['pinned.example.org'] })
  const grants = nodeClient('pinned').grants
  const pin = (...pinned: string[]) =>
    bench.operate('PUT', '/clients/pinned', {
      client_id: 'pinned',
      method: 'self_signed_tls_client_auth',
      pinnedCertificate: pinned,
      grants,
    })
  const mint = () => bench.operate('POST', '/tokens', { clientId: 'pinned', resource: nodeAudience('pinned') })
  await pin(bench.pinned.cert)
  await prove('pinned', bench.pinned)
  await pin(bench.pinned.cert, other.cert)
  expect((await mint()).json).toMatchObject({ 'x5t#S256': bench.pinned.x5t })

  await pin(other.cert)
  expect((await mint()).status).toBe(403)
  expect(bench.lastDecision()).toMatchObject({ guard: 'mint.holder', reason: 'holder_unproven' })
  await prove('pinned', other)
  expect((await mint()).json).toMatchObject({ 'x5t#S256': other.x5t })
  await bench.operate('PUT', '/clients/pinned', nodeClient('pinned', { sanDns: 'pinned.example.org' }))
  expect((await mint()).status).toBe(403)
  await bench.operate('DELETE', '/clients/pinned')
})

test('the next token request proves a certificate again that was forgotten', async () => {
  const { grants } = nodeClient('again')
  const method = 'self_signed_tls_client_auth'
  const pin = () =>
    bench.operate('PUT', '/clients/again', { client_id: 'again', method, pinnedCertificate: bench.pinned.cert, grants })
  const form = { grant_type: 'client_credentials', client_id: 'again' }
  const request = () => bench.call('mtls', 'POST', '/token', { as: bench.pinned, form })
  const mint = async () =>
    (await bench.operate('POST', '/tokens', { clientId: 'again', resource: nodeAudience('again') })).status
  await pin()
  expect([(await request()).status, await mint()]).toEqual([200, 201])

  await bench.operate('PUT', '/clients/again', nodeClient('again', { sanDns: 'again.example.org' }))
  await pin()
  expect([await mint(), (await request()).status, await mint()]).toEqual([403, 200, 201])

  await bench.operate('DELETE', '/clients/again')
  await pin()
  expect([await mint(), (await request()).status, await mint()]).toEqual([403, 200, 201])
  await bench.operate('DELETE', '/clients/again')
})

test('a path keeps its token out of the record', async () => {
  const { access_token: token } = await minted()
  expect((await bench.operate('GET', `/tokens/${token}`)).status).toBe(404)
  expect(bench.lastDecision()).toMatchObject({ reason: 'path_unknown', target: '/operator/v1/tokens/…' })
  expect((await bench.call('public', 'GET', `/jwks/${token}`)).status).toBe(404)
  expect(JSON.stringify(bench.decisions())).not.toContain(token.split('.')[1])
})

test('removing a client ends all its tokens', async () => {
  const gone = await bench.own.issue({ sans: ['gone.somebiz.local.io'] })
  const client = nodeClient('gone')
  grantOf(client, { aud: [PEERING] })
  await bench.operate('PUT', '/clients/gone', client)
  await prove('gone', gone)
  const { json } = await bench.operate('POST', '/tokens', { clientId: 'gone', resource: nodeAudience('gone') })
  expect(await isActive(json.access_token)).toBe(true)

  await bench.operate('DELETE', '/clients/gone')
  expect(await isActive(json.access_token)).toBe(false)
  expect(await tokenRows('&subject=gone')).toMatchObject([{ jti: json.jti, state: 'revoked' }])
})

test('revoking takes exactly one of jti, san and x5t', async () => {
  for (const body of [
    {},
    { jti: 'a', san: 'b' },
    { jti: 'a', x5t: 'b' },
    { jti: 1 },
    { jti: '' },
    { client: 'node-b' },
  ]) {
    expect((await bench.operate('POST', '/tokens/revoke', body)).status).toBe(400)
  }
  const { jti, access_token: token } = await minted()
  expect(await bench.operate('POST', '/tokens/revoke', { jti: 'unknown' })).toMatchObject({ status: 404 })
  expect(await isActive(token)).toBe(true)
  expect((await bench.operate('POST', '/tokens/revoke', { jti })).json).toEqual({ revoked: 1 })
  expect(await isActive(token)).toBe(false)
  expect((await bench.operate('POST', '/tokens/revoke', { jti })).json).toEqual({ revoked: 0 })
})

test('a SAN is compared as a whole and in any case; patterns and parts are data', async () => {
  const { access_token: token } = await minted()
  const revoke = async (san: string) => (await bench.operate('POST', '/tokens/revoke', { san })).json.revoked

  for (const san of [
    '*',
    '*.somebiz.local.io',
    'node-b',
    'somebiz.local.io',
    'node-b.somebiz.local.io.',
    '%',
    'node_b.somebiz.local.io',
  ]) {
    expect(await revoke(san)).toBe(0)
  }
  expect(await isActive(token)).toBe(true)
  expect(await revoke('NODE-B.somebiz.LOCAL.io')).toBeGreaterThan(0)
  expect(await isActive(token)).toBe(false)
  expect(await isActive((await minted()).access_token)).toBe(true)
})

test('revoking by thumbprint ends what is bound to that certificate, and nothing else', async () => {
  const other = await bench.own.issue({ sans: ['node-b.somebiz.local.io'] })
  await prove('node-b', other)
  const [kept, ended] = [await minted({ 'x5t#S256': bench.nodeB.x5t }), await minted({ 'x5t#S256': other.x5t })]

  expect((await bench.operate('POST', '/tokens/revoke', { x5t: other.x5t })).json).toEqual({ revoked: 1 })
  expect([await isActive(kept.access_token), await isActive(ended.access_token)]).toEqual([true, false])
})

test('a thousand tokens are listed page by page, without gap or double, and never with their text', async () => {
  await bench.operate('PUT', '/clients/many', nodeClient('many'))
  const many = await bench.own.issue({ sans: ['many.somebiz.local.io'] })
  await prove('many', many)
  const one = (await bench.operate('POST', '/tokens', { clientId: 'many', resource: nodeAudience('many') })).json
  const ids = [one.jti as string, ...(await recordedLike(one.jti, 999))]
  const seen: string[] = []
  let cursor = ''
  do {
    const page = (await bench.operate('GET', `/tokens?subject=many&limit=77${cursor}`)).json
    expect(page.tokens.length).toBeLessThanOrEqual(77)
    expect(Object.keys(page.tokens[0]).sort()).toEqual(
      ['aud', 'exp', 'iat', 'jti', 'kid', 'sans', 'scope', 'state', 'sub', 'use', 'x5t#S256'].sort(),
    )
    seen.push(...page.tokens.map((token: { jti: string }) => token.jti))
    cursor = page.cursor === undefined ? '' : `&cursor=${page.cursor}`
  } while (cursor !== '')
  expect(seen.length).toBe(1_000)
  expect(new Set(seen)).toEqual(new Set(ids))

  await bench.operate('POST', '/tokens/revoke', { jti: ids[0] })
  expect((await tokenRows('&subject=many&state=revoked')).map(({ jti }) => jti)).toEqual([ids[0]])
  expect((await tokenRows('&subject=many&state=active')).length).toBe(999)
  expect(await tokenRows('&subject=many&state=expired')).toEqual([])
  expect((await tokenRows('&san=MANY.somebiz.local.io')).length).toBe(1_000)
  expect((await tokenRows(`&x5t=${many.x5t}`)).length).toBe(1_000)
  expect(await tokenRows('&san=*')).toEqual([])
})

/** Records more tokens like one that was minted, past the API: minting so many takes its time. Answers their ids. */
async function recordedLike(jti: string, count: number): Promise<string[]> {
  const store = openStore(bench.configuration.storage.path)
  const { seq: _, state: __, ...token } = store.tokens.find(jti, Math.floor(Date.now() / 1000)) as StoredToken
  const ids = Array.from({ length: count }, () => crypto.randomUUID())
  await Promise.all(ids.map((id) => store.tokens.record({ ...token, jti: id })))
  await store.close()
  return ids
}

test.each(['limit=0', 'limit=1001', 'limit=x', 'cursor=-1', 'cursor=a', 'state=dead', 'unknown=1', 'limit=1&limit=2'])(
  'the query %s is refused',
  async (query) => {
    expect((await bench.operate('GET', `/tokens?${query}`)).status).toBe(400)
    expect(bench.lastDecision()).toMatchObject({ guard: 'request.query', reason: 'query_invalid' })
  },
)

test('health is there for every certificate of the own CA', async () => {
  for (const path of ['/healthz', '/readyz']) {
    expect(await bench.call('operator', 'GET', path, { as: bench.nodeB })).toMatchObject({
      status: 200,
      json: { status: 'ok' },
    })
    expect(await bench.call('operator', 'HEAD', path, { as: bench.nodeB })).toMatchObject({ status: 200, text: '' })
  }
})
