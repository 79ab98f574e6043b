import { type CryptoKey, exportJWK, generateKeyPair, SignJWT } from 'jose'
import { beforeAll, expect, test } from 'vitest'
import { type TokenContext, tokenGuards, tokenPrincipal, type ValidationMode } from './bound-token.ts'
import { firstRefusal } from './guard.ts'
import { createIntrospection } from './introspection.ts'
import { createIssuerKeys } from './issuer-keys.ts'

const ISSUER = 'https://auth.somebiz.local.io:8443'
const OWN = 'https://node-a.somebiz.local.io'
/** RFC 8705 appendix A. */
const X5T = 'A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0'

let key: CryptoKey
let otherKey: CryptoKey
let jwks: string

beforeAll(async () => {
  const pair = await generateKeyPair('ES256', { extractable: true })
  const rsa = await generateKeyPair('RS256', { extractable: true })
  key = pair.privateKey
  otherKey = (await generateKeyPair('ES256')).privateKey
  const jwk = await exportJWK(pair.publicKey)
  jwks = JSON.stringify({
    keys: [
      { ...jwk, kid: 'good', use: 'sig', alg: 'ES256' },
      { ...jwk, kid: 'encrypts', use: 'enc' },
      { ...jwk, kid: 'wraps', key_ops: ['wrapKey'] },
      { ...(await exportJWK(rsa.publicKey)), kid: 'rsa', use: 'sig' },
      { kty: 'oct', k: Buffer.from('a secret that anybody knows').toString('base64url'), kid: 'secret' },
    ],
  })
})

const now = (): number => Math.floor(Date.now() / 1000)

const good = () => ({
  iss: ISSUER,
  sub: 'node-b',
  client_id: 'node-b',
  aud: OWN as unknown,
  jti: 'd2f3c1f0-2d3f-4c67-9e6c-1f9b6d0f7a11',
  iat: now(),
  exp: now() + 300,
  scope: 'peer:connect peer:announce',
  cnf: { 'x5t#S256': X5T } as unknown,
  token_use: 'peer',
  sans: ['node-b.somebiz.local.io'],
})

interface Change {
  claims?: Record<string, unknown>
  header?: Record<string, unknown>
  key?: CryptoKey
}

function sign({ claims = {}, header = {}, key: signer = key }: Change = {}): Promise<string> {
  const payload = Object.fromEntries(
    Object.entries({ ...good(), ...claims }).filter(([, value]) => value !== undefined),
  )
  const protectedHeader = Object.fromEntries(
    Object.entries({ alg: 'ES256', typ: 'at+jwt', kid: 'good', ...header }).filter(([, value]) => value !== undefined),
  )
  return new SignJWT(payload).setProtectedHeader(protectedHeader as { alg: string }).sign(signer)
}

interface World {
  mode?: ValidationMode
  jwks?: () => Promise<string>
  introspect?: (token: string) => unknown
  thumbprint?: string
  calls?: string[]
}

function contextFor(token: string, world: World = {}): TokenContext {
  const answer = (body: string) => ({ status: 200, headers: { 'content-type': 'application/json' }, body })
  return {
    token,
    thumbprint: 'thumbprint' in world ? world.thumbprint : X5T,
    audiences: [OWN, 'https://peering.somebiz.local.io'],
    scope: 'peer:connect',
    policy: {
      node: 'node-a',
      issuer: ISSUER,
      mode: world.mode ?? 'jwks',
      clockSkewSeconds: 30,
      now: Date.now,
      keys: createIssuerKeys({
        url: `${ISSUER}/jwks`,
        client: {
          get: async (url) => {
            world.calls?.push(url)
            return answer(await (world.jwks ?? (async () => jwks))())
          },
        },
      }),
      introspection: createIntrospection({
        client: {
          postForm: async (url, form) => {
            world.calls?.push(url)
            const body = world.introspect?.(form.token ?? '') ?? { active: false }
            return answer(typeof body === 'string' ? body : JSON.stringify(body))
          },
        },
        endpoint: async () => `${ISSUER}/token/introspection`,
        clientId: 'node-a',
        cacheMs: 0,
      }),
    },
  }
}

async function judge(token: string, world: World = {}) {
  const context = contextFor(token, world)
  const refused = await firstRefusal(tokenGuards(context.policy.mode, []), context)
  const { guard, refusal } = refused ?? {}
  return {
    guard,
    reason: refusal?.reason,
    status: refusal?.status,
    error: refusal?.error,
    principal: tokenPrincipal(context),
  }
}

const ACCEPTED = { guard: undefined, reason: undefined }

test('a good token is accepted, and its claims are proven', async () => {
  expect(await judge(await sign())).toMatchObject({
    ...ACCEPTED,
    principal: { iss: ISSUER, sub: 'node-b', client_id: 'node-b' },
  })
})

test.each([
  ['three parts that are no JSON', '..', 'token_malformed'],
  ['two parts', 'YQ.YQ', 'token_malformed'],
  ['a JSON serialization', '{"payload":"e30","signatures":[]}', 'token_malformed'],
  ['a hundred thousand dots', '.'.repeat(100_000), 'token_malformed'],
  ['nothing', '', 'token_malformed'],
])('%s is malformed', async (_, token, reason) => {
  expect(await judge(token)).toMatchObject({ guard: 'token.form', reason, status: 401, error: 'invalid_token' })
})

test.each<[string, Change, string]>([
  ['typ JWT', { header: { typ: 'JWT' } }, 'typ_invalid'],
  ['no typ', { header: { typ: undefined } }, 'typ_invalid'],
  ['no kid', { header: { kid: undefined } }, 'token_malformed'],
  ['a kid that is no text', { header: { kid: 7 } }, 'token_malformed'],
  ['jku', { header: { jku: 'https://evil.test/' } }, 'token_malformed'],
  ['more than 8 KiB', { claims: { pad: 'x'.repeat(9_000) } }, 'token_malformed'],
])('a header with %s is refused', async (_, change, reason) => {
  expect(await judge(await sign(change))).toMatchObject({ guard: 'token.form', reason })
})

test('typ is a media type: compared without case, with or without its prefix', async () => {
  expect(await judge(await sign({ header: { typ: 'AT+JWT' } }))).toMatchObject(ACCEPTED)
  expect(await judge(await sign({ header: { typ: 'application/at+jwt' } }))).toMatchObject(ACCEPTED)
})

test.each(['none', 'None', 'NONE', 'nOnE', 'HS256', 'RS256', 'ES512'])('alg %s is refused', async (alg) => {
  const [, payload, signature] = (await sign()).split('.')
  const header = Buffer.from(JSON.stringify({ alg, typ: 'at+jwt', kid: 'good' })).toString('base64url')
  const refused = { guard: 'token.form', reason: 'alg_not_allowed' }
  expect(await judge(`${header}.${payload}.${signature}`)).toMatchObject(refused)
  expect(await judge(`${header}.${payload}.`)).toMatchObject(refused)
})

test('another issuer is refused without any call', async () => {
  const calls: string[] = []
  const token = await sign({ claims: { iss: 'https://auth-b.somebiz.local.io:8443' } })
  expect(await judge(token, { mode: 'both', calls })).toMatchObject({
    guard: 'token.issuer',
    reason: 'issuer_untrusted',
  })
  expect(await judge(await sign({ claims: { iss: `${ISSUER}/` } }))).toMatchObject({ reason: 'issuer_untrusted' })
  expect(await judge(await sign({ claims: { iss: [ISSUER] } }))).toMatchObject({ reason: 'issuer_untrusted' })
  expect(calls).toEqual([])
})

test.each<[string, Change, string]>([
  ['an unknown kid', { header: { kid: 'other' } }, 'kid_unknown'],
  ['a kid of Object.prototype', { header: { kid: '__proto__' } }, 'kid_unknown'],
  ['a key for encryption', { header: { kid: 'encrypts' } }, 'kid_unknown'],
  ['a key for wrapping', { header: { kid: 'wraps' } }, 'kid_unknown'],
  ['a symmetric key in the set', { header: { kid: 'secret' } }, 'kid_unknown'],
  ['a key of another type', { header: { kid: 'rsa' } }, 'signature_invalid'],
])('%s verifies nothing', async (_, change, reason) => {
  expect(await judge(await sign(change))).toMatchObject({
    guard: 'token.signature',
    reason,
    status: 401,
    principal: {},
  })
})

test('the signature of another key is refused, and so is a changed payload', async () => {
  const refused = { guard: 'token.signature', reason: 'signature_invalid', principal: {} }
  expect(await judge(await sign({ key: otherKey }))).toMatchObject(refused)
  const [header, , signature] = (await sign()).split('.')
  const payload = Buffer.from(JSON.stringify({ ...good(), sub: 'node-c', client_id: 'node-c' })).toString('base64url')
  expect(await judge(`${header}.${payload}.${signature}`)).toMatchObject(refused)
  expect(await judge(`${header}.${payload}.${Buffer.alloc(64).toString('base64url')}`)).toMatchObject(refused)
})

test('without a usable set nothing is accepted: 503', async () => {
  for (const body of ['<html>', '{}', '{"keys":[]}', '{"keys":[{"kty":"oct","kid":"good","k":"c2VjcmV0"}]}']) {
    expect(await judge(await sign(), { jwks: async () => body })).toMatchObject({
      guard: 'token.signature',
      reason: 'jwks_unavailable',
      status: 503,
    })
  }
})

test.each(['aud', 'sub', 'client_id', 'jti', 'iat', 'exp', 'scope', 'token_use', 'sans'])(
  'a token without %s is refused',
  async (name) => {
    expect(await judge(await sign({ claims: { [name]: undefined } }))).toMatchObject({
      guard: 'token.claims',
      reason: 'claim_missing',
    })
  },
)

test.each<[string, unknown]>([
  ['aud', ''],
  ['aud', []],
  ['aud', [1]],
  ['sub', ''],
  ['sub', 7],
  ['sub', 'a\r\nb'],
  ['sub', 'x'.repeat(100)],
  ['client_id', 'node-c'],
  ['exp', '4102444800'],
  ['exp', -1],
  ['exp', 0],
  ['exp', 1e308],
  ['exp', 2 ** 53 + 2],
  ['exp', { value: 1 }],
  ['iat', 1.5],
  ['nbf', 'soon'],
  ['jti', 7],
  ['scope', ['peer:connect']],
  ['token_use', 'admin'],
  ['sans', 'node-b'],
  ['trusted_nodes', 'node-a'],
  ['trusted_domains', [7]],
])('%s of %j is refused', async (name, value) => {
  expect(await judge(await sign({ claims: { [name]: value } }))).toMatchObject({ reason: 'claim_invalid' })
})

test.each<[string, Record<string, number>, string | undefined]>([
  ['expired beyond the skew', { exp: -31 }, 'token_expired'],
  ['expired within the skew', { exp: -28 }, undefined],
  ['not yet valid', { nbf: 33 }, 'token_not_yet_valid'],
  ['not yet valid, within the skew', { nbf: 28 }, undefined],
  ['issued in an hour', { iat: 3600, exp: 7200 }, 'token_iat_future'],
])('%s', async (_, offsets, reason) => {
  const claims = Object.fromEntries(Object.entries(offsets).map(([name, offset]) => [name, now() + offset]))
  const refused = reason === undefined ? ACCEPTED : { guard: 'token.time', reason }
  expect(await judge(await sign({ claims }))).toMatchObject(refused)
})

test.each<[unknown, boolean]>([
  [['https://evil.test'], false],
  [`${OWN}.evil.test`, false],
  [`${OWN}/`, false],
  ['HTTPS://NODE-A.SOMEBIZ.LOCAL.IO', false],
  [['https://evil.test', OWN], true],
  ['https://peering.somebiz.local.io', true],
])('audience %j: accepted is %s', async (aud, isAccepted) => {
  const refused = { guard: 'token.audience', reason: 'audience_mismatch' }
  expect(await judge(await sign({ claims: { aud } }))).toMatchObject(isAccepted ? ACCEPTED : refused)
})

const hex = Buffer.from(X5T, 'base64url').toString('hex')

test.each<[string, unknown, string]>([
  ['no cnf', undefined, 'cnf_missing'],
  ['null', null, 'cnf_missing'],
  ['no x5t#S256', { jkt: X5T }, 'cnf_missing'],
  ['x5t of SHA-1', { x5t: X5T }, 'cnf_missing'],
  ['a text', X5T, 'cnf_malformed'],
  ['a list', [X5T], 'cnf_malformed'],
  ['hex', { 'x5t#S256': hex }, 'cnf_malformed'],
  ['colons', { 'x5t#S256': hex.match(/../g)?.join(':') }, 'cnf_malformed'],
  ['padding', { 'x5t#S256': `${X5T}=` }, 'cnf_malformed'],
  ['base64', { 'x5t#S256': `${X5T.slice(0, 41)}+0` }, 'cnf_malformed'],
  ['stray bits at the end', { 'x5t#S256': `${X5T.slice(0, 42)}1` }, 'cnf_malformed'],
  ['a list inside', { 'x5t#S256': [X5T] }, 'cnf_malformed'],
  ['upper case', { 'x5t#S256': X5T.toUpperCase() }, 'cnf_malformed'],
  ['another certificate', { 'x5t#S256': `B${X5T.slice(1)}` }, 'cnf_x5t_mismatch'],
])('binding by %s is refused', async (name, cnf, reason) => {
  const found = await judge(await sign({ claims: { cnf } }))
  expect(found).toMatchObject({ guard: 'token.binding', status: 401 })
  // Upper case may happen to end in a letter that base64url allows.
  expect(name === 'upper case' ? ['cnf_malformed', 'cnf_x5t_mismatch'] : [reason]).toContain(found.reason)
})

test('a connection without certificate, or with another one, is refused', async () => {
  const refused = { guard: 'token.binding', reason: 'cnf_x5t_mismatch' }
  expect(await judge(await sign(), { thumbprint: undefined })).toMatchObject(refused)
  expect(await judge(await sign(), { thumbprint: `B${X5T.slice(1)}` })).toMatchObject(refused)
})

test.each<[Record<string, unknown>, string | undefined]>([
  [{ scope: 'peer:announce' }, 'scope_insufficient'],
  [{ scope: 'peer:connected' }, 'scope_insufficient'],
  [{ trusted_nodes: ['node-c'] }, 'node_not_trusted'],
  [{ trusted_nodes: [] }, 'node_not_trusted'],
  [{ trusted_nodes: ['node-c', 'node-a'] }, undefined],
])('scope %j', async (claims, reason) => {
  const refused = { guard: 'token.scope', reason, status: 403, error: 'insufficient_scope' }
  expect(await judge(await sign({ claims }))).toMatchObject(reason === undefined ? ACCEPTED : refused)
})

const answerTo = (token: string): Record<string, unknown> => ({
  active: true,
  ...(JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as Record<string, unknown>),
})

test.each<ValidationMode>(['both', 'introspection'])('mode %s: what the auth server says decides', async (mode) => {
  const token = await sign()
  const told = (change: Record<string, unknown>) =>
    judge(token, { mode, introspect: () => ({ ...answerTo(token), ...change }) })
  expect(await told({})).toMatchObject({ ...ACCEPTED, principal: { sub: 'node-b' } })
  expect(await judge(token, { mode, introspect: () => ({ active: false }) })).toMatchObject({
    reason: 'token_inactive',
  })
  for (const change of [
    { active: 'true' },
    { cnf: { 'x5t#S256': `B${X5T.slice(1)}` } },
    { cnf: undefined },
    { sub: 'node-c' },
    { aud: 'https://node-c.somebiz.local.io' },
  ]) {
    expect(await told(change)).toMatchObject({ guard: 'token.active', reason: 'introspection_mismatch', status: 401 })
  }
  for (const body of ['<html>', '[]', '{"ok":true}', 'null']) {
    const refused = { guard: 'token.active', reason: 'auth_unavailable', status: 503 }
    expect(await judge(token, { mode, introspect: () => body })).toMatchObject(refused)
  }
})

test('mode introspection asks for no keys, and judges the claims that were returned', async () => {
  const calls: string[] = []
  const token = await sign({ key: otherKey })
  const introspect = () => ({ ...answerTo(token), scope: 'peer:announce' })
  expect(await judge(token, { mode: 'introspection', introspect, calls })).toMatchObject({
    reason: 'scope_insufficient',
  })
  expect(calls).toEqual([`${ISSUER}/token/introspection`])
})

test('mode both: a token that is refused here causes no introspection', async () => {
  const calls: string[] = []
  await judge(await sign({ claims: { scope: 'peer:announce' } }), { mode: 'both', calls })
  expect(calls).toEqual([`${ISSUER}/jwks`])
})
