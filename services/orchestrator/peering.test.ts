import { X509Certificate } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { decodeJwt } from 'jose'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { callLocal } from './testing/caller.ts'
import { freePort, startOrchestrator, type TestOrchestrator, until } from './testing/process.ts'
import { HOST_A, HOST_B, nodeConfiguration, nodeToken, peerToken, type TestSite, testSite } from './testing/site.ts'

// Two real processes of two organisations, each dialling the other.

let site: TestSite
let a: TestOrchestrator
let b: TestOrchestrator
let tokenFileA = ''

beforeAll(async () => {
  site = await testSite()
  const portA = await freePort()
  const portB = await freePort()
  const ofA = await nodeConfiguration(site, 'a', portB, await peerToken(site, 'a'))
  const ofB = await nodeConfiguration(site, 'b', portA, await peerToken(site, 'b'))
  tokenFileA = ofA.peering.peers[0]?.peerTokenFile ?? ''
  ofA.peering.listen = `127.0.0.1:${portA}`
  ofB.peering.listen = `127.0.0.1:${portB}`
  ;[a, b] = await Promise.all([startOrchestrator(site.folder, ofA), startOrchestrator(site.folder, ofB)])
})

afterAll(async () => {
  await a?.[Symbol.asyncDispose]()
  await b?.[Symbol.asyncDispose]()
  await site[Symbol.asyncDispose]()
})

const asA = () => ({ identity: site.certA, ca: site.caA.pem, host: HOST_A, port: a.local })
const asB = () => ({ identity: site.certB, ca: site.caB.pem, host: HOST_B, port: b.local })

type Direction = Record<'state' | 'since' | 'jti' | 'tokenExpiresAt', string>

interface State {
  certificate: Record<string, string>
  validation: { mode: string; jwksAgeMs: number }
  peers: { state: string; inbound: Direction; outbound: Direction }[]
}

async function stateOf(of: 'a' | 'b'): Promise<State> {
  const caller = of === 'a' ? asA() : asB()
  const { json } = await callLocal(caller, 'GET', '/v1/state', { token: await nodeToken(site, of) })
  return json as unknown as State
}

async function peerState(of: 'a' | 'b'): Promise<State['peers'][0]> {
  const [peer] = (await stateOf(of)).peers
  return peer as NonNullable<typeof peer>
}

async function routesAt(of: 'a' | 'b'): Promise<Record<string, unknown>[]> {
  const caller = of === 'a' ? asA() : asB()
  const { json } = await callLocal(caller, 'GET', '/v1/routes', { token: await nodeToken(site, of) })
  return json?.routes as Record<string, unknown>[]
}

const connected = async (): Promise<void> => {
  for (const of of ['a', 'b'] as const) {
    await until(async () => (await peerState(of)).state === 'connected', `node ${of} to be connected`)
  }
}

test('both directions come up, each validated by the auth server of the receiving side', async () => {
  await connected()
  const admitted = b.decisions().find(({ action, verdict }) => action === 'peering:connect' && verdict === 'accepted')
  expect(admitted).toMatchObject({
    status: 101,
    reason: null,
    principal: { 'x5t#S256': site.certA.x5t, iss: site.authB.url, sub: 'node-a', san: HOST_A },
  })
})

test('the state tells of certificate, keys and both directions, and never all of a jti', async () => {
  await connected()
  const { certificate, validation, peers } = await stateOf('a')
  const leaf = new X509Certificate(site.certA.cert)
  const [from, to] = [leaf.validFromDate.getTime(), leaf.validToDate.getTime()]
  expect(certificate).toEqual({
    'x5t#S256': site.certA.x5t,
    notAfter: new Date(to).toISOString(),
    renewAt: new Date(from + ((to - from) * 2) / 3).toISOString(),
  })
  expect(validation).toEqual({ mode: 'both', jwksAgeMs: expect.any(Number) })
  expect(validation.jwksAgeMs).toBeGreaterThanOrEqual(0)
  expect(validation.jwksAgeMs).toBeLessThan(60_000)

  const presented = decodeJwt(readFileSync(tokenFileA, 'utf8'))
  const admitted = a.decisions().find(({ action, verdict }) => action === 'peering:connect' && verdict === 'accepted')
  const shown = (jti: unknown, exp: unknown) => ({
    state: 'connected',
    since: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
    jti: String(jti).slice(0, 8),
    tokenExpiresAt: exp,
  })
  const exp = new Date(Number(presented.exp) * 1000).toISOString()
  expect(peers[0]?.outbound).toEqual(shown(presented.jti, exp))
  expect(peers[0]?.inbound).toMatchObject(shown(admitted?.principal.jti, expect.stringMatching(/Z$/)))
  expect((await peerState('b')).inbound).toMatchObject(shown(presented.jti, exp))
  for (const { since } of [peers[0]?.inbound, peers[0]?.outbound] as Direction[]) {
    expect(Date.now() - Date.parse(since)).toBeLessThan(60_000)
  }
  const everything = JSON.stringify([await stateOf('a'), await stateOf('b')])
  for (const jti of [presented.jti, admitted?.principal.jti]) expect(everything).not.toContain(jti)
})

test('a route announced on A is learned by B, and withdrawn again', async () => {
  await connected()
  const token = await nodeToken(site, 'a')
  const route = { protocol: 'http', endpoint: 'https://orders.a.test/' }
  expect(await callLocal(asA(), 'PUT', '/v1/routes/a.test/orders', { token, json: route })).toMatchObject({
    status: 201,
  })
  await until(async () => (await routesAt('b')).length === 1, 'B to learn the route')
  expect(await routesAt('b')).toEqual([
    { domain: 'a.test', name: 'orders', ...route, path: ['node-a'], peer: 'node-a', state: 'learned', best: true },
  ])
  const write = await callLocal(asB(), 'PUT', '/v1/routes/a.test/orders', {
    token: await nodeToken(site, 'b'),
    json: route,
  })
  expect(write).toMatchObject({ status: 403, json: { error: 'route_learned' } })
  expect(await callLocal(asA(), 'DELETE', '/v1/routes/a.test/orders', { token })).toMatchObject({ status: 204 })
  await until(async () => (await routesAt('b')).length === 0, 'B to forget the route')
})

test('a route outside the domains of the token is not installed, and said so', async () => {
  await connected()
  const token = await nodeToken(site, 'a')
  const json = { protocol: 'http', endpoint: 'https://x.test/' }
  expect((await callLocal(asA(), 'PUT', '/v1/routes/nota.test/x', { token, json })).status).toBe(201)
  expect((await callLocal(asA(), 'PUT', '/v1/routes/sub.a.test/x', { token, json })).status).toBe(201)
  await until(async () => (await routesAt('b')).length === 1, 'B to learn the route inside')
  expect((await routesAt('b')).map(({ domain }) => domain)).toEqual(['sub.a.test'])
  expect(b.decisions().find(({ reason }) => reason === 'route_domain_refused')).toMatchObject({ guard: 'route.domain' })
  for (const domain of ['nota.test', 'sub.a.test'])
    await callLocal(asA(), 'DELETE', `/v1/routes/${domain}/x`, { token })
})

test('a new token file is taken into use by a new session, and no route is withdrawn', async () => {
  await connected()
  const token = await nodeToken(site, 'a')
  const json = { protocol: 'http', endpoint: 'https://kept.a.test/' }
  await callLocal(asA(), 'PUT', '/v1/routes/a.test/kept', { token, json })
  await until(async () => (await routesAt('b')).length === 1, 'B to learn the route')
  const before = b.decisions().filter(({ action }) => action === 'peering:connect').length
  writeFileSync(tokenFileA, await peerToken(site, 'a'), { mode: 0o600 })
  await until(() => b.decisions().filter(({ action }) => action === 'peering:connect').length > before, 'a new session')
  await connected()
  expect((await routesAt('b')).map(({ name }) => name)).toEqual(['kept'])
  await callLocal(asA(), 'DELETE', '/v1/routes/a.test/kept', { token })
})

test('a session that cannot be replaced yet goes on, and is replaced as soon as it can', async () => {
  await connected()
  const fresh = await peerToken(site, 'a', { jti: 'after the outage' })
  await site.authB.down()
  writeFileSync(tokenFileA, fresh, { mode: 0o600 })
  await until(() => b.decisions().at(-1)?.reason === 'auth_unavailable', 'the new token to be refused')
  expect((await peerState('a')).state).toBe('connected')
  await site.authB.up()
  const isAdmitted = () =>
    b.decisions().some(({ verdict, principal }) => verdict === 'accepted' && principal.jti === 'after the outage')
  await until(isAdmitted, 'the new session')
  await connected()
})

test('a revoked token ends the live session within its bound, routes are withdrawn, and no new session comes', async () => {
  await connected()
  const jti = b.decisions().findLast(({ verdict, action }) => verdict === 'accepted' && action === 'peering:connect')
    ?.principal.jti
  const token = await nodeToken(site, 'a')
  await callLocal(asA(), 'PUT', '/v1/routes/a.test/gone', { token, json: { protocol: 'tcp', endpoint: 'a.test:1' } })
  await until(async () => (await routesAt('b')).length === 1, 'B to learn the route')
  site.authB.revoked.add(String(jti))
  await until(() => b.decisions().some(({ action }) => action === 'peering:session'), 'the session to end', 7_000)
  expect(b.decisions().find(({ action }) => action === 'peering:session')).toMatchObject({
    layer: 'session',
    error: 'token_ended',
    guard: 'live.recheck',
    reason: 'token_ended',
    principal: { jti },
  })
  expect(await routesAt('b')).toEqual([])
  await until(() => b.decisions().at(-1)?.reason === 'token_inactive', 'the next attempt to be refused')
  // The way back: a new token in the file is used at once, back-off or not.
  writeFileSync(tokenFileA, await peerToken(site, 'a'), { mode: 0o600 })
  await connected()
}, 30_000)

test('SIGTERM closes the sessions and ends with 0 within five seconds; the neighbour keeps the routes stale', async () => {
  await connected()
  const token = await nodeToken(site, 'a')
  await callLocal(asA(), 'PUT', '/v1/routes/a.test/last', { token, json: { protocol: 'tcp', endpoint: 'a.test:1' } })
  await until(async () => (await routesAt('b')).some(({ name }) => name === 'last'), 'B to learn the route')
  const startedAt = performance.now()
  a.process.kill('SIGTERM')
  expect(await a.exited).toBe(0)
  expect(performance.now() - startedAt).toBeLessThan(5_000)
  await until(async () => (await routesAt('b')).some(({ state }) => state === 'stale'), 'the route to be stale')
}, 20_000)
