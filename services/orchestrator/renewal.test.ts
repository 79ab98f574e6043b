import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { connect, type TLSSocket } from 'node:tls'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { thumbprint } from '../shared/peer-certificate.ts'
import type { TestIdentity } from '../shared/testing/certificates.ts'
import { boundThumbprint } from './peer-token.ts'
import { callLocal } from './testing/caller.ts'
import { startOrchestrator, type TestOrchestrator, until } from './testing/process.ts'
import {
  HOST_A,
  HOST_B,
  nodeConfiguration,
  nodeToken,
  peerToken,
  type TestSite,
  testSite,
  withPeering,
} from './testing/site.ts'

// node-a's certificate ends soon and is renewed at a CA; node-b of the other organisation runs for good.

let site: TestSite
let b: TestOrchestrator
let ca: Server
/** What the CA gave node-a last. */
let newest: TestIdentity
let isCaWell = true

beforeAll(async () => {
  site = await testSite()
  b = await startOrchestrator(site.folder, await nodeConfiguration(site, 'b', 1, await peerToken(site, 'b')))
  ca = await startCa()
})

afterAll(async () => {
  await b?.[Symbol.asyncDispose]()
  ca?.closeAllConnections()
  ca?.close()
  await site[Symbol.asyncDispose]()
})

beforeEach(() => {
  isCaWell = true
})

/** Answers like step-ca: whoever proves the newest certificate gets another one for the same key. */
async function startCa(): Promise<Server> {
  const identity = await site.caA.issue({ sans: ['ca-a.somebiz.local.io'] })
  const options = { cert: identity.cert, key: identity.key, ca: site.caA.pem, requestCert: true }
  const server = createServer(options, async (request, response) => {
    const shown = (request.socket as TLSSocket).getPeerX509Certificate()
    if (!isCaWell || shown === undefined || thumbprint(shown) !== newest.x5t) return response.writeHead(500).end()
    newest = await site.caA.issue({ sans: [HOST_A], renews: newest })
    response.writeHead(201).end(JSON.stringify({ crt: newest.cert, certChain: [newest.cert, site.caA.pem] }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()))
  return server
}

const SECOND = 1_000

/** node-a, whose certificate is to be renewed in 5 s and ends in 15 s; or at once, and in 20 s, after 60 s of its life. */
async function startA(
  change: 'source' | 'file',
  isLate = false,
): Promise<{ a: TestOrchestrator; first: TestIdentity; tokenFile: string }> {
  const now = Date.now()
  const [before, after] = isLate ? [60, 20] : [15, 15]
  const life = { notBefore: new Date(now - before * SECOND), notAfter: new Date(now + after * SECOND) }
  const first = await site.caA.issue({ sans: [HOST_A], ...life })
  newest = first
  const bound = () => ({ cnf: { 'x5t#S256': newest.x5t } })
  const configuration = await nodeConfiguration(site, 'a', b.peering, await peerToken(site, 'a', bound()))
  const { peerTokenFile, ...peer } = configuration.peering.peers[0] as (typeof configuration.peering.peers)[0]
  site.authB.grants.set(`https://${HOST_B}`, () => peerToken(site, 'a', bound()))
  site.authA.grants.set(`https://${HOST_A}`, () => nodeToken(site, 'a', bound()))
  const tokenSource = { issuer: site.authB.url, resource: `https://${HOST_B}` }
  const tokenFile = join(site.folder, `${crypto.randomUUID()}.token`)
  writeFileSync(tokenFile, await nodeToken(site, 'a', bound()), { mode: 0o600 })
  const renewUrl = `https://ca-a.somebiz.local.io:${(ca.address() as AddressInfo).port}/1.0/renew`
  const tls = { cert: first.certFile, key: first.keyFile, renewUrl }
  const renewing = withPeering(
    { ...configuration, tls },
    {
      nodeTokenFile: tokenFile,
      peers: [change === 'source' ? { ...peer, tokenSource } : { ...peer, peerTokenFile }],
      routes: [{ domain: 'a.test', name: 'kept', protocol: 'http', endpoint: 'https://kept.a.test/' }],
    },
  )
  const a = await startOrchestrator(site.folder, renewing)
  return { a, first, tokenFile }
}

async function get(a: TestOrchestrator, path: string) {
  return callLocal({ identity: site.operatorA, ca: site.caA.pem, host: HOST_A, port: a.local }, 'GET', path)
}

interface State {
  certificate: { 'x5t#S256': string }
  peers: { outbound: { state: string; lastError?: string; rebindRequired?: string } }[]
}

async function stateOf(a: TestOrchestrator): Promise<State & { outbound: State['peers'][0]['outbound'] }> {
  const state = (await get(a, '/v1/state')).json as unknown as State
  return { ...state, outbound: state.peers[0]?.outbound ?? { state: 'none' } }
}

async function routesAtB(): Promise<string[]> {
  const caller = { identity: site.certB, ca: site.caB.pem, host: HOST_B, port: b.local }
  const { json } = await callLocal(caller, 'GET', '/v1/routes', { token: await nodeToken(site, 'b') })
  const { routes } = json as { routes: { name: string }[] }
  return routes.map(({ name }) => name)
}

function admittedWith(x5t: string): boolean {
  return b.decisions().some(({ verdict, principal }) => verdict === 'accepted' && principal['x5t#S256'] === x5t)
}

test('renewed: new tokens, a new session with the new certificate, no route withdrawn, and then it is served', async () => {
  const { a, first, tokenFile } = await startA('source')
  await using _ = a
  await until(async () => (await routesAtB()).includes('kept'), 'B to learn the route')
  const renewed = async (): Promise<boolean> => {
    expect(await routesAtB()).toEqual(['kept'])
    return newest !== first && admittedWith(newest.x5t)
  }
  await until(renewed, 'a session with the new certificate', 15_000)
  expect(admittedWith(first.x5t)).toBe(true)
  await until(async () => (await servedBy(a)) === newest.x5t, 'the new certificate to be served')
  await until(() => readFileSync(first.certFile, 'utf8').startsWith(newest.cert.trim()), 'it to be in the file')
  expect(boundThumbprint(readFileSync(tokenFile, 'utf8').trim())).toBe(newest.x5t)
  const state = await stateOf(a)
  expect(state.certificate['x5t#S256']).toBe(newest.x5t)
  expect(state.outbound).toMatchObject({ state: 'connected' })
  expect(state.outbound).not.toHaveProperty('rebindRequired')
}, 40_000)

test('a token that nobody renews: the old certificate stays for it, with a deadline, and then the peer needs a token', async () => {
  const { a, first } = await startA('file')
  await using _ = a
  await until(async () => (await stateOf(a)).outbound.rebindRequired !== undefined, 'the deadline to be told', 15_000)
  const { outbound, certificate } = await stateOf(a)
  expect(outbound.state).toBe('connected')
  expect(certificate['x5t#S256']).toBe(newest.x5t)
  // Whoever gives tokens finds the new one, and a restart finds the one that the token at hand is for.
  expect(readFileSync(first.certFile, 'utf8').startsWith(newest.cert.trim())).toBe(true)
  expect(readFileSync(`${first.certFile}.previous`, 'utf8')).toBe(first.cert)

  await until(async () => (await stateOf(a)).outbound.state === 'needs-token', 'the peer to need a token', 25_000)
  expect((await stateOf(a)).outbound.lastError).toBe('peer_token_bound_elsewhere')
  const ends = b.decisions().filter(({ action, principal }) => {
    return action === 'peering:session' && principal['x5t#S256'] === first.x5t
  })
  expect(ends).toMatchObject([{ reason: 'certificate_ended' }])
  await until(() => !existsSync(`${first.certFile}.previous`), 'the pair that ended to be gone', 5_000)
}, 40_000)

test('a CA that does not renew is asked again, and the node says in time that it will be unready', async () => {
  isCaWell = false
  const { a } = await startA('source', true)
  await using _ = a
  const reason = async () => (await get(a, '/readyz')).json?.reason
  await until(async () => (await reason()) === 'certificate_ending', 'the warning', 20_000)
  // The second attempt is due a second after the first, which a slow start may have moved behind the warning.
  await until(() => (a.stderr().match(/renewal-failed/g)?.length ?? 0) > 1, 'a second attempt', 5_000)
}, 40_000)

/** Thumbprint of what the peering listener serves. */
function servedBy(a: TestOrchestrator): Promise<string> {
  return new Promise((resolve, reject) => {
    const { cert, key } = site.certB
    const socket = connect({ host: '127.0.0.1', port: a.peering, servername: HOST_A, ca: site.caA.pem, cert, key })
    socket.once('error', reject)
    socket.once('secureConnect', () => {
      const leaf = socket.getPeerX509Certificate()
      socket.destroy()
      resolve(leaf === undefined ? '' : thumbprint(leaf))
    })
  })
}
