import { afterAll, beforeAll, expect, test } from 'vitest'
import { callLocal } from './testing/caller.ts'
import { startOrchestrator, type TestOrchestrator, until } from './testing/process.ts'
import { HOST_A, HOST_B, nodeConfiguration, peerToken, type TestSite, testSite, withPeering } from './testing/site.ts'

// node-a fetches its peer token from the other organisation's auth server; node-b runs for good.

let site: TestSite
let b: TestOrchestrator

beforeAll(async () => {
  site = await testSite()
  b = await startOrchestrator(site.folder, await nodeConfiguration(site, 'b', 1, await peerToken(site, 'b')))
})

afterAll(async () => {
  await b?.[Symbol.asyncDispose]()
  await site[Symbol.asyncDispose]()
})

async function startA(resource: string): Promise<TestOrchestrator> {
  const configuration = await nodeConfiguration(site, 'a', b.peering, 'unused')
  const { peerTokenFile: _, ...peer } = configuration.peering.peers[0] as (typeof configuration.peering.peers)[0]
  const tokenSource = { issuer: site.authB.url, resource }
  return startOrchestrator(site.folder, withPeering(configuration, { peers: [{ ...peer, tokenSource }] }))
}

async function outbound(a: TestOrchestrator): Promise<Record<string, unknown>> {
  const operator = { identity: site.operatorA, ca: site.caA.pem, host: HOST_A, port: a.local }
  const { json } = await callLocal(operator, 'GET', '/v1/state')
  return (json as unknown as { peers: { outbound: Record<string, unknown> }[] }).peers[0]?.outbound ?? {}
}

test('a token is fetched by client credentials and presented', async () => {
  site.authB.grants.set(`https://${HOST_B}`, (clientId) => peerToken(site, 'a', { jti: `for ${clientId}` }))
  await using a = await startA(`https://${HOST_B}`)
  await until(async () => (await outbound(a)).state === 'connected', 'the session of A')
  expect(b.decisions().find(({ action }) => action === 'peering:connect')).toMatchObject({
    verdict: 'accepted',
    principal: { jti: 'for node-a' },
  })
  // Nobody but the source was asked.
  expect(site.authA.requests).not.toContain('/token')
})

test('a token is fetched anew before it ends, and the session with it', async () => {
  let fetched = 0
  site.authB.grants.set(`https://${HOST_B}`, () => {
    fetched += 1
    return peerToken(site, 'a', { jti: `number ${fetched}`, exp: Math.floor(Date.now() / 1000) + 3 })
  })
  await using a = await startA(`https://${HOST_B}`)
  await until(() => b.decisions().some(({ principal }) => principal.jti === 'number 2'), 'the second token')
  expect((await outbound(a)).state).toBe('connected')
})

test('a source that gives nothing: the peer needs a token, and another token is not sent instead', async () => {
  const before = b.decisions().length
  await using a = await startA('https://somewhere-else.test')
  await until(async () => (await outbound(a)).state === 'needs-token', 'the state to say so')
  expect((await outbound(a)).lastError).toBe('token_source_failed')
  expect(b.decisions().length).toBe(before)
})

test('a token of the source for somebody else is not presented', async () => {
  site.authB.grants.set(`https://${HOST_B}`, () => peerToken(site, 'a', { sub: 'node-c', client_id: 'node-c' }))
  const before = b.decisions().length
  await using a = await startA(`https://${HOST_B}`)
  await until(async () => (await outbound(a)).lastError === 'peer_token_subject_mismatch', 'the state to say so')
  expect(b.decisions().length).toBe(before)
})
