import { type Claims, expect, mutateClaims, scenario } from 'holdfast/vitest'

const test = scenario('separate-auth', { set: { validation: 'jwks' } })
const now = () => Math.floor(Date.now() / 1000)
const invalid = (reason: string, guard: string) => ({ status: 401, error: 'invalid_token', reason, guard })
const insufficient = (reason: string) => ({
  status: 403,
  error: 'insufficient_scope',
  reason,
  guard: 'token.scope',
  wwwAuthenticate: { scope: 'peer:connect' },
})

const changes: [
  what: string,
  change: (claims: Claims) => Claims,
  header: Record<string, unknown>,
  expected: { status: number; error: string; reason: string; guard: string },
][] = [
  [
    'expired',
    (claims) => ({ ...claims, iat: now() - 7_200, exp: now() - 60 }),
    {},
    invalid('token_expired', 'token.time'),
  ],
  ['not yet valid', (claims) => ({ ...claims, nbf: now() + 60 }), {}, invalid('token_not_yet_valid', 'token.time')],
  ['issued in the future', (claims) => ({ ...claims, iat: now() + 60 }), {}, invalid('token_iat_future', 'token.time')],
  ['a plain JWT', (claims) => claims, { typ: 'JWT' }, invalid('typ_invalid', 'token.form')],
  ['an ID token by its type', (claims) => claims, { typ: 'id+jwt' }, invalid('typ_invalid', 'token.form')],
  [
    'a key of its own in the header',
    (claims) => claims,
    { jku: 'https://evil.test/jwks' },
    invalid('token_malformed', 'token.form'),
  ],
  [
    'a key id of 300 characters',
    (claims) => claims,
    { kid: 'k'.repeat(300) },
    invalid('token_malformed', 'token.form'),
  ],
  [
    'a client with whose name ours begins',
    (claims) => ({ ...claims, client_id: 'node' }),
    {},
    invalid('claim_invalid', 'token.claims'),
  ],
  ['no scope for it', (claims) => ({ ...claims, scope: 'peer:announce' }), {}, insufficient('scope_insufficient')],
  [
    'a scope that only begins alike',
    (claims) => ({ ...claims, scope: 'peer:connected peer' }),
    {},
    insufficient('scope_insufficient'),
  ],
  [
    'trusted by other nodes only',
    (claims) => ({ ...claims, trusted_nodes: ['node-x'] }),
    {},
    insufficient('node_not_trusted'),
  ],
]

/** Its header says more, so that there is a `+` in it. */
function inPlainBase64(token: string): string {
  const [header = '', ...rest] = token.split('.')
  const more = { ...JSON.parse(Buffer.from(header, 'base64url').toString()), note: '>>>>>' }
  return [Buffer.from(JSON.stringify(more)).toString('base64').replace(/=+$/, ''), ...rest].join('.')
}

test.for(changes)('%s', async ([what, change, header, expected], { site, credential }) => {
  const key = await site.signingKey('auth-a')
  const right = credential('peer-b-to-a')
  const attack = right.withToken((token) => mutateClaims(token, key, change, header), what)

  expect(await site.call('node-b', 'node-a', 'peering:connect', attack)).toBeRefused(expected)
})

test('what else a token may say is no reason to refuse it', async ({ site, credential }) => {
  const key = await site.signingKey('auth-a')
  const right = credential('peer-b-to-a')
  const call = (claims: Claims, header: Claims = {}) => {
    const changed = (token: string) => mutateClaims(token, key, (own) => ({ ...own, ...claims }), header)
    return site.call(
      'node-b',
      'node-a',
      'peering:connect',
      right.withToken(changed, JSON.stringify({ claims, header })),
    )
  }

  // A media type has no case, and its prefix may be left out (RFC 9068 section 4, RFC 7515 section 4.1.9).
  for (const typ of ['AT+JWT', 'application/at+jwt']) expect(await call({}, { typ })).toBeAccepted()
  expect(await call({}, { typ: 'JWT' })).toBeRefused(invalid('typ_invalid', 'token.form'))
  for (const nbf of [now() - 60, now() + 10]) expect(await call({ nbf })).toBeAccepted()
  expect(await call({ nbf: now() + 3_600 })).toBeRefused(invalid('token_not_yet_valid', 'token.time'))
  expect(await call({ iat: now() + 10 })).toBeAccepted()
  expect(await call({ iat: now() + 3_600, exp: now() + 7_200 })).toBeRefused(invalid('token_iat_future', 'token.time'))
  expect(await call({ exp: now() - 10 })).toBeAccepted()
  expect(await call({ exp: now() - 60 })).toBeRefused(invalid('token_expired', 'token.time'))
  expect(await call({ trusted_nodes: ['node-x', 'node-a'] })).toBeAccepted()
  expect(await call({ trusted_nodes: ['node-x'] })).toBeRefused(insufficient('node_not_trusted'))
})

test.for<[what: string, change: (token: string) => string]>([
  ['with more before it', (token) => `~${token}`],
  ['with padding', (token) => `${token}=`],
  ['in plain base64, whose alphabet is another one', inPlainBase64],
  ['of four parts', (token) => `${token}.${token.split('.')[2]}`],
  [
    'with a header that is no JSON',
    (token) => `${Buffer.from('{').toString('base64url')}${token.slice(token.indexOf('.'))}`,
  ],
  [
    'with claims that are no JSON',
    (token) => token.replace(/\.[^.]+\./, `.${Buffer.from('{').toString('base64url')}.`),
  ],
])('a token %s', async ([what, change], { site, credential }) => {
  const right = credential('peer-b-to-a')

  expect(await site.call('node-b', 'node-a', 'peering:connect', right)).toBeAccepted()
  const attack = right.withToken(change, what)
  expect(await site.call('node-b', 'node-a', 'peering:connect', attack)).toBeRefused(
    invalid('token_malformed', 'token.form'),
  )
})

test('signed by a secret that everybody knows', async ({ site, credential }) => {
  const right = credential('peer-b-to-a')
  const secret = { kty: 'oct', k: 'A'.repeat(43) }
  const attack = right.withToken((token) => mutateClaims(token, secret, (claims) => claims, { alg: 'HS256' }), 'HS256')

  expect(await site.call('node-b', 'node-a', 'peering:connect', attack)).toBeRefused(
    invalid('alg_not_allowed', 'token.form'),
  )
})
