import {
  credentialOf,
  expect,
  issueLeaf,
  nearMiss,
  nearMissesOf,
  type ScenarioSite,
  scenario,
  thumbprintS256,
} from 'holdfast/vitest'

const test = scenario('shared-auth')

/** What the operator orders for node-b. */
function orderFor(site: ScenarioSite, thumbprint: string): Record<string, unknown> {
  const { mint } = credentialOf(site.plan, 'bound-token', 'node-b').mint
  return { ...(mint?.json as Record<string, unknown>), 'x5t#S256': thumbprint }
}

/** As OAuth writes them: what else stands in a scope is no body (RFC 6749 section 3.3). */
const nearScopes = nearMissesOf.word
  .map((name) => String(nearMiss(name, 'node:read')))
  .filter((scope) => /^[!-~]+$/.test(scope))

const orders: [
  what: string,
  change: Record<string, unknown>,
  expected: { status: number; error: string; reason: string },
][] = [
  [
    "another client with B's certificate",
    { clientId: 'node-a' },
    { status: 403, error: 'access_denied', reason: 'holder_unproven' },
  ],
  [
    'a client that is not registered',
    { clientId: 'node-x' },
    { status: 404, error: 'not_found', reason: 'client_unknown' },
  ],
  [
    'a resource outside its grants',
    { resource: 'https://evil.test' },
    { status: 403, error: 'access_denied', reason: 'resource_not_allowed' },
  ],
  [
    'a scope outside its grants',
    { scope: ['nats:connect'] },
    { status: 403, error: 'access_denied', reason: 'scope_not_allowed' },
  ],
  ...[['node:read', 'nats:connect'], ...nearScopes.map((scope) => [scope])].map((scope): (typeof orders)[number] => [
    `the scope ${JSON.stringify(scope)}`,
    { scope },
    { status: 403, error: 'access_denied', reason: 'scope_not_allowed' },
  ]),
  ...[0, -1, 29, 1.5, 315_360_000, 9_007_199_254_740_992, '1h;rm', null].map((expiresIn): (typeof orders)[number] => [
    `a life of ${expiresIn}`,
    { expiresIn },
    { status: 400, error: 'invalid_request', reason: 'ttl_invalid' },
  ]),
  ...['claims', 'iss', 'sub', 'aud', 'exp', 'jti', 'cnf', 'entity', 'principal', 'certificate'].map(
    (member): (typeof orders)[number] => [
      `the reserved member ${member}`,
      { [member]: { 'x5t#S256': 'A'.repeat(43) } },
      { status: 400, error: 'invalid_request', reason: 'member_invalid' },
    ],
  ),
]

test.for(orders)('%s', async ([, change, expected], { site, credential }) => {
  const json = orderFor(site, await credential('node-b').thumbprint())
  const operator = credential('operator')

  expect(await site.call('auth', 'auth', 'operator:mint', operator, { json })).toBeAccepted()
  const changed = { json: { ...json, ...change } }
  expect(await site.call('auth', 'auth', 'operator:mint', operator, changed)).toBeRefused(expected)
})

test('a certificate that nobody proved', async ({ site, credential }) => {
  const proven = orderFor(site, await credential('node-b').thumbprint())
  const unproven = orderFor(site, await credential.anew('cert-node-b').thumbprint())
  const operator = credential('operator')

  expect(await site.call('auth', 'auth', 'operator:mint', operator, { json: proven })).toBeAccepted()
  expect(await site.call('auth', 'auth', 'operator:mint', operator, { json: unproven })).toBeRefused({
    status: 403,
    error: 'access_denied',
    reason: 'holder_unproven',
    guard: 'mint.holder',
  })
})

test('a proven certificate that has ended', async ({ site, credential }) => {
  const { host } = site.node('node-b')
  const names = { subject: host, sans: [host] }
  const lasting = orderFor(site, await credential('node-b').thumbprint())
  // All that it must last for is its proof.
  const notAfter = new Date(Math.ceil(Date.now() / 1000) * 1000 + 6_000)
  const brief = await issueLeaf({ authority: await site.authority('ca'), ...names, notAfter })
  const proving = credential('cert-node-b').withCertificate(brief, 'of a few seconds')
  expect(await site.call('node-b', 'auth', 'holder:prove', proving, { json: { client_id: 'node-b' } })).toBeAccepted()
  const operator = credential('operator')
  const json = orderFor(site, thumbprintS256(brief.certPem))

  expect(await site.call('auth', 'auth', 'operator:mint', operator, { json: lasting })).toBeAccepted()
  // Nothing is minted for it meanwhile: a token that ends with it would look like an effect of the refusal.
  await site.until('the certificate ends', () => Date.now() > notAfter.getTime(), { withinMs: 30_000 })
  expect(await site.call('auth', 'auth', 'operator:mint', operator, { json })).toBeRefused({
    status: 400,
    error: 'invalid_request',
    reason: 'holder_expired',
    guard: 'mint.holder',
  })
})

test('a holder cannot prove a certificate for another client', async ({ site, credential }) => {
  const own = credential('cert-node-b')
  const json = { client_id: 'node-b' }

  expect(await site.call('node-b', 'auth', 'holder:prove', own, { json })).toBeAccepted()
  expect(await site.call('node-b', 'auth', 'holder:prove', own, { json: { client_id: 'node-a' } })).toBeRefused({
    status: 401,
    error: 'invalid_client',
    reason: 'san_mismatch',
    guard: 'token.client',
  })
  expect(await site.call('node-b', 'auth', 'holder:prove', own.withoutCertificate(), { json })).toBeRefused({
    status: 401,
    error: 'invalid_client',
    reason: 'cert_missing',
    guard: 'token.client',
  })
})
