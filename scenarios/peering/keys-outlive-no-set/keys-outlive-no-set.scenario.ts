import { generateKeyPairSync, randomUUID } from 'node:crypto'
import {
  type Credential,
  expect,
  mutateClaims,
  type ScenarioSite,
  type Session,
  scenario,
  type Verdict,
} from 'holdfast/vitest'

const test = scenario('separate-auth', { own: true, waits: true, set: { validation: 'jwks' } })
// The auth server says a minute. The age is counted on a clock that nobody can move, so that this one says less.
const maxAgeSeconds = 2
const ageMs = maxAgeSeconds * 1_000
const recheckMs = 5_000
/** After the last time that its key was found, a live session may go on for so long. */
const unsureMs = 30_000
/** For asking again, and for a machine that has more to do. */
const graceMs = 1_000

test('a key that is published no more', async ({ site, credential }) => {
  const [first, next] = [await site.signingKey('auth-a'), newKey('next')]
  const right = await minted(credential('peer-b-to-a'))
  const { issuer } = await site.standInForIssuer('auth-a', { keys: [first], maxAgeSeconds })
  await restart(site, 'node-a')
  const old = right.withToken((token) => mutateClaims(token, first, (claims) => claims), 'of before')
  const session = await liveSession(site, old)

  await issuer.publish([next])
  const rotatedAt = performance.now()
  const refused = await turned(site, old, 'refused', ageMs + graceMs)
  const refusedMs = performance.now() - rotatedAt

  expect(refused).toBeRefused({
    status: 401,
    error: 'invalid_token',
    reason: 'kid_unknown',
    guard: 'token.signature',
  })
  const refusedWithinMs = site.bound(ageMs + graceMs)
  expect(site.measured('a token of a retired key opens nothing', refusedMs, refusedWithinMs)).toBeLessThan(
    refusedWithinMs,
  )
  const renewed = (token: string) => mutateClaims(token, next, (claims) => claims, { kid: 'next' })
  expect(
    await site.call('node-b', 'node-a', 'peering:connect', old.withToken(renewed, 'of the next key')),
  ).toBeAccepted()

  const boundMs = site.bound(ageMs + recheckMs + graceMs)
  expect(await site.ended(session, { withinMs: ageMs + recheckMs + graceMs })).toMatchObject({ code: 4401 })
  expect(site.measured('a session of a retired key ends', performance.now() - rotatedAt, boundMs)).toBeLessThan(boundMs)
})

test('a set that cannot be had anew', async ({ site, credential }) => {
  const right = await minted(credential('peer-b-to-a'))
  const keys = [await site.signingKey('auth-a')]
  const { issuer } = await site.standInForIssuer('auth-a', { keys, maxAgeSeconds })
  await restart(site, 'node-a')
  const session = await liveSession(site, right)

  issuer.script('keys', 'cut')
  const goneAt = performance.now()
  const refused = await turned(site, right, 'refused', ageMs + graceMs)
  const refusedMs = performance.now() - goneAt

  const unavailable = { status: 503, error: 'temporarily_unavailable', reason: 'jwks_unavailable' }
  expect(refused).toBeRefused({ ...unavailable, guard: 'token.signature' })
  const refusedWithinMs = site.bound(ageMs + graceMs)
  expect(site.measured('without a new key set nothing opens', refusedMs, refusedWithinMs)).toBeLessThan(refusedWithinMs)

  // No answer is no word against the session yet; but the last good one may only be so old.
  const boundMs = site.bound(ageMs + unsureMs)
  expect(await site.ended(session, { withinMs: ageMs + unsureMs + graceMs })).toMatchObject({ code: 4503 })
  const endedMs = performance.now() - goneAt
  expect(site.measured('without a new key set a session ends', endedMs, boundMs)).toBeLessThan(boundMs)
  expect(endedMs).toBeGreaterThan(2 * recheckMs)
  const ends = await site.decisions('node-a', { guard: 'live.recheck', reason: 'auth_unavailable' })
  expect(ends).toHaveLength(1)

  issuer.script('keys')
  expect(await turned(site, right, 'accepted', ageMs + graceMs)).toBeAccepted()
})

test('a key that comes back is no retired key', async ({ site, credential }) => {
  const first = await site.signingKey('auth-a')
  const right = await minted(credential('peer-b-to-a'))
  const { issuer } = await site.standInForIssuer('auth-a', { keys: [first], maxAgeSeconds })
  await restart(site, 'node-a')
  expect(await site.call('node-b', 'node-a', 'peering:connect', right)).toBeAccepted()

  await issuer.publish([newKey('other')])
  await turned(site, right, 'refused', ageMs + graceMs)
  await issuer.publish([first])

  // A set in which a key is missing is asked for anew, at most every 10 s; this one is older before.
  expect(await turned(site, right, 'accepted', ageMs + graceMs)).toBeAccepted()
})

/** While there is an auth server that mints. */
async function minted(credential: Credential): Promise<Credential> {
  await credential.token()
  return credential
}

function newKey(kid: string) {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return { ...privateKey.export({ format: 'jwk' }), kid, alg: 'ES256' }
}

async function restart(site: ScenarioSite, node: string): Promise<void> {
  await site.node(node).stop('orchestrator')
  await site.node(node).start('orchestrator')
}

/** A session of the test's own; B itself stops dialling, so that nothing replaces it. */
async function liveSession(site: ScenarioSite, credential: Credential): Promise<Session> {
  expect(await site.operator('node-b').patch('/v1/peers/node-a', { enabled: false })).toMatchObject({ status: 200 })
  const { verdict, session } = await site.open('node-b', 'node-a', 'peering:connect', credential)
  expect(verdict).toBeAccepted()
  session.send({ type: 'open', version: 1, node: 'node-b', holdTimeMs: 90_000, session: randomUUID() })
  return session
}

function turned(
  site: ScenarioSite,
  credential: Credential,
  wanted: Verdict['verdict'],
  withinMs: number,
): Promise<Verdict> {
  const call = async () => {
    const verdict = await site.call('node-b', 'node-a', 'peering:connect', credential)
    return verdict.verdict === wanted && verdict
  }
  return site.until(`the token is ${wanted}`, call, { withinMs })
}
