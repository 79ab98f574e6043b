import {
  type Claims,
  type CredentialFixture,
  credentialOf,
  expect,
  forgedCreds,
  type Identity,
  issueLeaf,
  mutateClaims,
  type ScenarioSite,
  scenario,
  tamperSignature,
  thumbprintS256,
  userOfFile,
} from 'holdfast/vitest'
import { putJson } from '../files.ts'

// One site for all of them: on a ground on which it takes minutes, its certificates are to outlive it.
const test = scenario('nats-orchestrator', { own: true, set: { certificateLifetime: '1h' } })
const callout = 'units/auth-callout/config.json'
const connect = ['host-1', 'nats-1', 'nats:connect'] as const
const error = 'Authorization Violation'
/** The library allows nothing unless it is told. */
const unlimited = { subs: -1, data: -1, payload: -1 }
const inSeconds = (seconds: number) => Math.floor(Date.now() / 1000) + seconds
const without = (name: string) => (claims: Claims) => {
  const { [name]: _, ...others } = claims
  return others as Claims
}
const saying = (more: object) => (claims: Claims) => ({ ...claims, ...more }) as Claims

test('a right token is in', async ({ site, credential }) => {
  expect(await site.call(...connect, credential('creds-host-1'))).toBeAccepted()
})

test.for<[string, string, string, (claims: Claims) => Claims, Record<string, unknown>?]>([
  ['of another type', 'token.form', 'typ_invalid', saying({}), { typ: 'JWT' }],
  ['of another issuer', 'token.issuer', 'issuer_untrusted', saying({ iss: 'https://other.test' })],
  ['of a key that nobody knows', 'token.signature', 'kid_unknown', saying({}), { kid: 'nobody' }],
  ['without a scope', 'token.claims', 'claim_missing', without('scope')],
  ['of a client that it is not about', 'token.claims', 'claim_invalid', saying({ client_id: 'host-2' })],
  ['that has expired', 'token.time', 'token_expired', saying({ exp: inSeconds(-90) })],
  ['that has not begun', 'token.time', 'token_not_yet_valid', saying({ nbf: inSeconds(600) })],
  ['that was made in the future', 'token.time', 'token_iat_future', saying({ iat: inSeconds(600) })],
  ['for another audience', 'token.audience', 'audience_mismatch', saying({ aud: 'https://ca.somebiz.local.io' })],
  ['that is bound to nothing', 'token.binding', 'cnf_missing', without('cnf')],
  ['whose binding is none', 'token.binding', 'cnf_malformed', saying({ cnf: { 'x5t#S256': 'short' } })],
  [
    'of a host that nobody declared',
    'callout.identity',
    'host_unknown',
    saying({ sub: 'host-9', client_id: 'host-9' }),
  ],
  ['for something else', 'token.scope', 'scope_insufficient', saying({ scope: 'node:read' })],
  ['that trusts other nodes', 'token.scope', 'node_not_trusted', saying({ trusted_nodes: ['ca'] })],
  ['that its issuer does not know', 'token.active', 'token_inactive', saying({})],
])('a token %s is refused', async ([, guard, reason, change, header], { site, credential }) => {
  const key = await site.signingKey('auth')
  const forged = credential('creds-host-1').withToken((token) => mutateClaims(token, key, change, header))

  expect(await site.call(...connect, forged)).toBeRefused({ error, guard, reason })
})

test.for<[string, string, string, (token: string) => string]>([
  ['that is none', 'token.form', 'token_malformed', () => 'no-token'],
  ['that is not signed', 'token.form', 'alg_not_allowed', (token) => unsigned(token)],
  ['whose signature is another one', 'token.signature', 'signature_invalid', tamperSignature],
])('a token %s is refused', async ([, guard, reason, change], { site, credential }) => {
  const spoilt = credential('creds-host-1').withToken(change)

  expect(await site.call(...connect, spoilt)).toBeRefused({ error, guard, reason })
})

test('a token of its own certificate does not make a host of somebody else', async ({ site, credential }) => {
  const key = await site.signingKey('auth')
  const other = credential('creds-host-1').over(credential('cert-orchestrator'))
  const x5t = await credential('cert-orchestrator').thumbprint()
  const bound = other.withToken((token) => mutateClaims(token, key, saying({ cnf: { 'x5t#S256': x5t } })))

  expect(await site.call(...connect, credential('creds-host-1'))).toBeAccepted()
  const mismatch = { error, guard: 'token.binding', reason: 'cnf_x5t_mismatch' }
  expect(await site.call(...connect, other)).toBeRefused(mismatch)
  const unnamed = { error, guard: 'callout.identity', reason: 'san_mismatch' }
  expect(await site.call(...connect, bound)).toBeRefused(unnamed)
})

test('a token that says more than its issuer knows of it is refused', async ({ site, credential }) => {
  const key = await site.signingKey('auth')
  const right = credential('creds-host-1')
  const { jti, aud } = JSON.parse(Buffer.from((await right.token()).split('.')[1]!, 'base64url').toString()) as Claims
  const more = saying({ jti, aud: [aud, 'https://other.test'] })
  const forged = right.withToken((token) => mutateClaims(token, key, more))

  expect(await site.call(...connect, forged)).toBeRefused({
    ...{ error, guard: 'token.active', reason: 'introspection_mismatch' },
  })
})

test('a user and a password beside the token are one carrier too many', async ({ site, credential }) => {
  const right = credential('creds-host-1')
  const both = { connect: (own: object) => ({ ...own, user: 'host-1', pass: 'secret' }) }

  expect(await site.call(...connect, right, both)).toBeRefused({
    ...{ error, guard: 'callout.carrier', reason: 'token_carrier_invalid' },
  })
})

test('another user of the same account is no sentinel', async ({ site, credential }) => {
  const planned = credentialOf(site.plan, 'nats-creds', 'creds-host-1')
  const creds = await userOfFile(await forgedCreds(site.credentials.at, planned, { claims: unlimited }))
  const other = credential('creds-host-1').with('creds', creds, 'of another user')

  expect(await site.call(...connect, other)).toBeRefused({
    error,
    guard: 'callout.sentinel',
    reason: 'sentinel_unknown',
  })
})

const live = (reason: string) => ({ guard: 'live.recheck', reason, action: 'nats:session' })
const putOut = { withinMs: 9_000 }
const promptMs = 1_000

test('who is in is put out when the token is revoked', async ({ site, credential }) => {
  const right = credential('creds-host-1')
  const { session } = await site.open(...connect, right)
  const { jti } = JSON.parse(Buffer.from((await right.token()).split('.')[1]!, 'base64url').toString()) as Claims
  expect(await site.operator('auth').post('/operator/v1/tokens/revoke', { jti })).toMatchObject({ status: 200 })

  await site.ended(session, putOut)
  expect((await site.decisions('nats-1', live('token_ended'))).length).toBeGreaterThan(0)
  const another = right.withToken(await credential.anew('host-1-token').token())
  expect(await site.call(...connect, another)).toBeAccepted()
})

test('a host that is undeclared is put out and kept out, and is in again once it is declared', async ({
  site,
  credential,
}) => {
  const right = credential('creds-host-1')
  const { session } = await site.open(...connect, right)
  const { hosts } = JSON.parse(await site.node('nats-1').readFile(callout)) as { hosts: object }
  await redeclare(site, {})
  try {
    await site.ended(session, putOut)
    expect((await site.decisions('nats-1', live('host_undeclared'))).length).toBeGreaterThan(0)
    const refused = await site.call(...connect, right)
    expect(refused).toBeRefused({ error, guard: 'callout.identity', reason: 'host_unknown' })
    const boundMs = site.bound(promptMs)
    expect(site.measured('a host that is not declared is refused', refused.ms, boundMs)).toBeLessThan(boundMs)
  } finally {
    await redeclare(site, hosts)
  }
  const isIn = async () => (await site.call(...connect, right)).verdict === 'accepted'
  await site.until('it is in again', isIn, { withinMs: 5_000 })
})

test('who is in is put out when the certificate ends', async ({ site, credential }) => {
  const { host } = site.node('host-1')
  // The broker goes by the machine's clock. Until then the certificate is proved, a token minted and the session opened.
  const notAfter = new Date(Math.ceil(Date.now() / 1000) * 1000 + 30_000)
  const brief = await issueLeaf({ authority: await site.authority('ca'), subject: host, sans: [host], notAfter })
  const right = credential('creds-host-1')
  const ending = right.withCertificate(brief, 'that ends soon').withToken(await tokenOver(site, credential, brief))
  const { session } = await site.open(...connect, ending)

  const end = await site.ended(session, { withinMs: 32_000 })
  expect(end).toMatchObject({ reason: 'User Authentication Expired' })
  const boundMs = site.bound(2_000)
  const afterMs = site.measured('a session ends with its certificate', end.at - notAfter.getTime(), boundMs)
  expect(afterMs).toBeGreaterThanOrEqual(0)
  expect(afterMs).toBeLessThan(boundMs)
  await site.until('the second of its end is over', () => Date.now() > notAfter.getTime(), { withinMs: 5_000 })
  const refused = { layer: 'tls', guard: 'broker.tls', reason: 'cert_expired' } as const
  expect(await site.call(...connect, ending)).toBeRefused(refused)
  expect(await site.call(...connect, right)).toBeAccepted()
})

test.for([
  ['nats-1', 9446],
  ['host-1', 9445],
] as const)('what %s tells of itself is told over TLS, and to whoever asks in HTTP', async ([name, port], { site }) => {
  const node = site.node(name)
  const tap = await site.tap(name)
  for (const way of ['tls', 'net']) {
    expect(await node.exec(['node', '-e', garbage, way, node.address, String(port), node.host])).toMatchObject({
      code: 0,
    })
  }

  const refusals = async () => {
    const all = await tap.decisions({ verdict: 'refused' })
    return all.length >= 2 && all.map(({ guard, reason }) => `${guard} ${reason}`).toSorted()
  }
  const expected = ['http.form request_unreadable', 'tls.handshake handshake_failed']
  expect(await site.until('both are on record', refusals, { withinMs: 5_000 })).toEqual(expected)
})

/** Speaks TLS and then no HTTP, or no TLS at all. */
const garbage = `
const [way, host, port, servername] = process.argv.slice(1)
const socket = require('node:' + way).connect({ host, port, servername, rejectUnauthorized: false })
socket.on(way === 'tls' ? 'secureConnect' : 'connect', () => socket.write('\\0\\0\\r\\n\\r\\n'))
socket.on('error', () => {}).on('data', () => {}).on('close', () => process.exit(0))`

test('while the auth server is down nobody new is let in; while the callout is, nobody at all', async ({
  site,
  credential,
}) => {
  const right = credential('creds-host-1')
  expect(await site.call(...connect, right)).toBeAccepted()
  await site.node('auth').stop('auth')
  const unavailable = async () => {
    const verdict = await site.call(...connect, right)
    return verdict.verdict === 'refused' && verdict
  }
  const refused = await site.until('the callout asks in vain', unavailable, { withinMs: 10_000 })
  expect(refused).toBeRefused({ error, guard: 'token.active', reason: 'auth_unavailable' })

  // One that is started now knows no keys.
  const broker = site.node('nats-1')
  await broker.stop('auth-callout')
  const starting = broker.start('auth-callout').catch((failure: Error) => failure)
  const keyless = async () => {
    const verdict = await site.call(...connect, right)
    return verdict.reason === 'jwks_unavailable' && verdict
  }
  const without = await site.until('the callout has no keys', keyless, { withinMs: 15_000 })
  expect(without).toBeRefused({ error, guard: 'token.signature', reason: 'jwks_unavailable' })
  await site.node('auth').start('auth')
  expect(await starting).toBeUndefined()

  await site.node('nats-1').pause('auth-callout')
  const late = await site.call(...connect, right)
  const tap = await site.tap('nats-1')
  await site.node('nats-1').resume('auth-callout')
  expect(late).toBeRefused({ error, guard: 'broker.callout', reason: 'callout_timeout' })
  // What it is asked meanwhile has ended when it comes to it, and makes nobody a user.
  const verdicts = async () => {
    const all = await tap.decisions({ unit: 'auth-callout' })
    return all.length > 0 && all
  }
  expect(await site.until('it has judged that', verdicts, { withinMs: 5_000 })).toMatchObject([
    { verdict: 'refused', guard: 'callout.request', reason: 'callout_request_invalid' },
  ])
})

function unsigned(token: string): string {
  const [header, payload] = token.split('.')
  const own = JSON.parse(Buffer.from(header!, 'base64url').toString()) as object
  const none = Buffer.from(JSON.stringify({ ...own, alg: 'none' })).toString('base64url')
  return `${none}.${payload}.AAAA`
}

/** A token as its issuer mints it, over a certificate that the host proves. */
async function tokenOver(site: ScenarioSite, credential: CredentialFixture, certificate: Identity): Promise<string> {
  const proving = credential('cert-host-1').withCertificate(certificate, 'that ends soon')
  const { prove, mint } = credentialOf(site.plan, 'bound-token', 'host-1-token').mint
  expect(await site.call('host-1', 'auth', 'holder:prove', proving, { json: prove?.json })).toBeAccepted()
  const order = { ...(mint.json as object), 'x5t#S256': thumbprintS256(certificate.certPem) }
  const { status, json } = await site.operator('auth').post('/operator/v1/tokens', order)
  expect(status).toBe(201)
  return (json as { access_token: string }).access_token
}

async function redeclare(site: ScenarioSite, hosts: object): Promise<void> {
  await putJson<{ hosts: object }>(site, 'nats-1', callout, (configuration) => Object.assign(configuration, { hosts }))
  await site.node('nats-1').signal('SIGHUP', 'auth-callout')
}
