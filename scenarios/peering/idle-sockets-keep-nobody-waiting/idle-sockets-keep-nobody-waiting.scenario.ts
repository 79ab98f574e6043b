import { randomUUID } from 'node:crypto'
import {
  type Credential,
  expect,
  issueLeaf,
  mutateClaims,
  type ScenarioSite,
  scenario,
  thumbprintS256,
  unspoiled,
} from 'holdfast/vitest'

const test = scenario('separate-auth', { own: true, set: { validation: 'jwks' } })
const calls = 60
/**
 * Calls take tens of milliseconds, and now and then the machine has something else to do for longer than two of them. Whoever had to
 * wait for a place would wait for up to 5 s, for so long it is held by those who say nothing.
 */
const leastBoundMs = 2_500
/** Five seconds for `open`, and one for the farewell. */
const openMs = 7_000
/** 64 KiB for each of them, the growth of the heap in between included. */
const mostGrownKb = 64_000

test.for([
  ['of one host', 0],
  ['of sixteen hosts', 16],
] as const)('a thousand sockets %s', async ([, addresses], { site, credential }) => {
  await quiet(site)
  const right = credential('peer-b-to-a')
  const upgrading = await idlers(site, right)
  const alone = await slowest(site, right)
  const before = await residentKb(site)
  const tap = await site.tap('node-a')

  const own = credential('cert-node-b')
  const crowd = await site.crowd('auth-b', 'node-a', 'peering:connect', own, {
    count: 1_000 - upgrading.length,
    addresses,
    upgrading,
  })
  expect(crowd.open).toBeGreaterThan(upgrading.length)
  const among = await slowest(site, right)
  const during = await residentKb(site)

  const boundMs = Math.max(2 * alone, leastBoundMs)
  expect(site.measured('a peer gets in among a thousand idle sockets', among, boundMs)).toBeLessThan(boundMs)
  await site.until('they are all closed', () => crowd.open === 0, { withinMs: 10_000 })

  // Whoever was let in and never said who it was has had a session that was none.
  expect(crowd.upgradedForMs).toHaveLength(upgrading.length)
  const longest = Math.max(...crowd.upgradedForMs)
  expect(site.measured('an upgraded socket that opens nothing is closed', longest, openMs)).toBeLessThan(openMs)
  const ends = tap
    .logs()
    .filter((line) => /session-ended.*"peer":"idler-.*"code":"protocol_error","by":"us"/.test(line))
  expect(ends).toHaveLength(upgrading.length)
  const grownKb = Math.max(during, await residentKb(site)) - before
  expect(grownKb, 'kB that a thousand idle sockets take').toBeLessThan(mostGrownKb)
})

test('a peer that reads nothing loses its session after one hold time, though it goes on talking', async ({
  site,
  credential,
}) => {
  const holdTimeMs = 3_000
  const { seat, host } = site.node('node-b')
  const authority = await site.authority('ca-b')
  const certificate = await unspoiled({ authority, subject: host, sans: [host] })
  const tableSize = 16 * 1024 * 1024
  await learn(site, credential('peer-b-to-a'), tableSize)
  const sessionWith = async (alive: 'reading' | 'deaf') => {
    const open = { type: 'open', version: 1, node: 'mirror', holdTimeMs, session: randomUUID() }
    const peer = await site.listenAsPeer({ seat, certificate, open, alive })
    await dial(site, `wss://${host}:${peer.port}`)
    return peer
  }

  const listening = await sessionWith('reading')
  const heard = () => (listening.connections[0]?.received().length ?? 0) > tableSize
  await site.until('a peer that reads has the table', heard, { withinMs: 10_000 })

  const tap = await site.tap('node-a')
  const began = performance.now()
  await sessionWith('deaf')
  const ended = () => /session-ended.*"peer":"mirror".*"code":"hold_expired"/.test(tap.logs().join('\n'))
  await site.until('the session with the other one ends', ended, { withinMs: 15_000 })
  const tookMs = performance.now() - began
  expect(tookMs).toBeGreaterThan(holdTimeMs)
  expect(site.measured('a peer that reads nothing is left', tookMs, 2 * holdTimeMs)).toBeLessThan(2 * holdTimeMs)
  expect(await site.call('node-b', 'node-a', 'peering:connect', credential('peer-b-to-a'))).toBeAccepted()
})

/** Peers of node-a with a certificate of their own, as many times each as one peer may be let in without opening its session. */
async function idlers(site: ScenarioSite, credential: Credential): Promise<Credential[]> {
  const key = await site.signingKey('auth-a')
  const { host } = site.node('node-b')
  const identity = await issueLeaf({ authority: await site.authority('ca-b'), subject: host, sans: [host] })
  const cnf = { 'x5t#S256': thumbprintS256(identity.certPem) }
  const { token: peerToken } = await site.held('peer-a-to-b')
  const all = Array.from({ length: 10 }, async (_, at) => {
    const name = `idler-${at}`
    // Nobody listens there: they are only to come.
    const record = { name, endpoint: `wss://${host}:9`, domains: [], trustDomain: 'org-b', peerToken }
    expect([201, 409]).toContain((await site.operator('node-a').post('/v1/peers', record)).status)
    const renamed = (token: string) =>
      mutateClaims(token, key, (claims) => ({ ...claims, sub: name, client_id: name, cnf }))
    return credential.withCertificate(identity).withToken(renamed, `of ${name}`)
  })
  return (await Promise.all(all)).flatMap((one) => Array.from({ length: 4 }, () => one))
}

async function residentKb(site: ScenarioSite): Promise<number> {
  return (await site.residentKb('node-a', 'orchestrator')) ?? Number.NaN
}

/** Makes node-a learn routes of so many bytes, which it then sends on to its other peers. */
async function learn(site: ScenarioSite, credential: Credential, bytes: number): Promise<void> {
  await quiet(site)
  const { verdict, session } = await site.open('node-b', 'node-a', 'peering:connect', credential)
  expect(verdict).toBeAccepted()
  session.send({ type: 'open', version: 1, node: 'node-b', holdTimeMs: 90_000, session: randomUUID() })
  const perUpdate = 100
  const endpoint = `https://long.b.test/${'x'.repeat(2_000)}`
  const updates = Math.ceil(bytes / (perUpdate * endpoint.length))
  for (let seq = 1; seq <= updates; seq += 1) {
    const routes = Array.from({ length: perUpdate }, (_, at) => {
      return { op: 'announce', domain: 'b.test', name: `r-${seq}-${at}`, protocol: 'http', endpoint, path: ['node-b'] }
    })
    session.send({ type: 'update', seq, routes, endOfSync: seq === updates })
  }
  const learned = async () => {
    const { routes } = (await site.operator('node-a').get('/v1/state')).json as { routes: { learned: number } }
    return routes.learned === updates * perUpdate
  }
  await site.until('A has them all', learned, { withinMs: 15_000 })
}

/** Makes node-a dial there as `mirror`, in place of where it dialled before. */
async function dial(site: ScenarioSite, endpoint: string): Promise<void> {
  const operator = site.operator('node-a')
  const { token } = await site.held('peer-a-to-b')
  await operator.delete('/v1/peers/mirror')
  const record = { name: 'mirror', endpoint, domains: [], trustDomain: 'org-b', peerToken: token }
  expect(await operator.post('/v1/peers', record)).toMatchObject({ status: 201 })
}

/** The 99th percentile of some calls, in ms: all of them are accepted. */
async function slowest(site: ScenarioSite, credential: Credential): Promise<number> {
  const times: number[] = []
  for (let call = 0; call < calls; call += 1) {
    const verdict = await site.call('node-b', 'node-a', 'peering:connect', credential)
    expect(verdict).toBeAccepted()
    times.push(verdict.ms)
  }
  return times.toSorted((a, b) => a - b)[Math.ceil(0.99 * calls) - 1] ?? 0
}

/** B itself stops dialling, so that the test's sessions are not replaced by B's own. */
async function quiet(site: ScenarioSite): Promise<void> {
  expect(await site.operator('node-b').patch('/v1/peers/node-a', { enabled: false })).toMatchObject({ status: 200 })
}
