import { randomUUID } from 'node:crypto'
import { credentialOf, describe, expect, type ScenarioSite, scenario, thumbprintS256 } from 'holdfast/vitest'

const test = scenario('transit', { own: true, set: { auth: 'shared' } })
const route = { protocol: 'http', endpoint: 'https://orders.a.test/' }
const nodes = ['node-a', 'node-b', 'node-c']
const wide = ['a.test', 'b.test', 'c.test']
const rings = [
  ['shared', test, closeTransit],
  ['separate', scenario('separate-auth', { own: true, set: { orgs: 3 } }), widenAll],
] as const

interface Known {
  path: string[]
  best: boolean
}

test('a route that was at the node before is dropped, and the one beside it installed', async ({
  site,
  credential,
}) => {
  await close(site, 'node-b', 'node-a')
  const { verdict, session } = await site.open('node-b', 'node-a', 'peering:connect', credential('node-b'))
  expect(verdict).toBeAccepted()
  session.send({ type: 'open', version: 1, node: 'node-b', holdTimeMs: 90_000, session: randomUUID() })
  const entry = (name: string, ...path: string[]) => ({ op: 'announce', domain: 'c.test', name, ...route, path })

  const routes = [entry('round', 'node-b', 'node-c', 'node-a'), entry('straight', 'node-b', 'node-c')]
  session.send({ type: 'update', seq: 1, routes, endOfSync: true })

  const names = async () => (await routesAt(site, 'node-a', 'c.test')).map(({ name }) => name)
  await site.until('the other one is installed', async () => (await names()).includes('straight'), { withinMs: 5_000 })
  expect(await names()).toEqual(['straight'])
  const drops = await site.decisions('node-a', { conn: verdict.conn, action: 'peering:route' })
  expect(drops).toMatchObject([{ verdict: 'refused', guard: 'route.loop', reason: 'loop_dropped' }])
  await session.close()
  await patch(site, 'node-b', 'node-a', { enabled: true })
})

describe.for(rings)('auth servers: %s', ([, test, makeRing]) => {
  test('one best path at each node, and the table comes to rest', async ({ site }) => {
    await makeRing(site)
    const tap = await site.tap('node-a')
    for (let round = 1; round <= 5; round += 1) {
      expect(await site.operator('node-a').put('/v1/routes/a.test/orders', route)).toMatchObject({ status: 201 })
      await settled(site, [['local'], ['node-a', 'node-c node-a'], ['node-a', 'node-b node-a']])
      expect(await site.operator('node-a').delete('/v1/routes/a.test/orders')).toMatchObject({ status: 204 })
      await settled(site, [[], [], []])
    }

    // On the way in and on the way out, each neighbour may offer its one other path to the origin: that is all there is.
    const drops = await tap.decisions({ reason: 'loop_dropped' })
    expect(drops.length).toBeLessThanOrEqual(2 * 2 * 5)
  })

  test('without the link between A and B the route goes through C', async ({ site }) => {
    await makeRing(site)
    expect(await site.operator('node-a').put('/v1/routes/a.test/orders', route)).toMatchObject({ status: 201 })
    await settled(site, [['local'], ['node-a', 'node-c node-a'], ['node-a', 'node-b node-a']])

    await close(site, 'node-b', 'node-a')

    await settled(site, [['local'], ['node-c node-a'], ['node-a']])
  })
})

/** C and A peer too, and everybody may announce everything. */
async function closeTransit(site: ScenarioSite): Promise<void> {
  for (const [node, peer] of [
    ['node-a', 'node-b'],
    ['node-b', 'node-a'],
    ['node-b', 'node-c'],
    ['node-c', 'node-b'],
  ] as const) {
    await patch(site, node, peer, { domains: wide })
  }
  for (const [node, peer] of [
    ['node-a', 'node-c'],
    ['node-c', 'node-a'],
  ] as const) {
    const record = { name: peer, endpoint: `wss://${site.node(peer).host}:9443`, domains: wide }
    expect([201, 409]).toContain((await site.operator(node).post('/v1/peers', record)).status)
  }
  // Whoever was told of the other first has been refused, and would wait a minute: a changed record is dialled at once.
  await patch(site, 'node-a', 'node-c', { domains: wide })
  await patch(site, 'node-a', 'node-b', { domains: wide })
  await allConnected(site)
}

/** Three organisations peer with each other; each auth server vouches anew for its peers, now for all domains. */
async function widenAll(site: ScenarioSite): Promise<void> {
  for (const from of ['a', 'b', 'c']) {
    for (const to of ['a', 'b', 'c'].filter((other) => other !== from)) await widen(site, from, to)
  }
  await allConnected(site)
}

async function widen(site: ScenarioSite, from: string, to: string): Promise<void> {
  const [client, auth] = [`node-${from}`, site.operator(`auth-${to}`)]
  const { json } = await auth.get(`/operator/v1/clients/${client}`)
  const registration = json as { grants: Record<string, unknown>[] }
  const grants = registration.grants.map((grant) => ({ ...grant, trustedDomains: wide }))
  expect(await auth.put(`/operator/v1/clients/${client}`, { ...registration, grants })).toMatchObject({ status: 200 })
  const { mint } = credentialOf(site.plan, 'bound-token', `peer-${from}-to-${to}`).mint
  const { certificate } = await site.held(`cert-${client}`)
  const order = { ...(mint.json as object), 'x5t#S256': thumbprintS256(certificate?.certPem ?? '') }
  const minted = await auth.post('/operator/v1/tokens', order)
  expect(minted).toMatchObject({ status: 201 })
  const peerToken = (minted.json as { access_token: string }).access_token
  await patch(site, `node-${to}`, client, { domains: wide })
  await patch(site, client, `node-${to}`, { peerToken, enabled: true })
}

async function allConnected(site: ScenarioSite): Promise<void> {
  for (const node of nodes) {
    const connected = async () => {
      const { peers } = (await site.operator(node).get('/v1/state')).json as { peers: { state: string }[] }
      return peers.length === 2 && peers.every(({ state }) => state === 'connected')
    }
    await site.until(`${node} is connected with both`, connected, { withinMs: 20_000 })
  }
}

/** Waits until A, B and C know exactly these paths of the route, the best one first. */
async function settled(site: ScenarioSite, expected: string[][]): Promise<void> {
  const paths = async (node: string): Promise<string[]> => {
    const known: Known[] = await routesAt(site, node, 'a.test')
    expect(known.filter(({ best }) => best).length).toBeLessThanOrEqual(1)
    return known
      .sort((a, b) => Number(b.best) - Number(a.best))
      .map(({ path }) => (path.length === 0 ? 'local' : path.join(' ')))
  }
  const probe = async () => {
    const found = await Promise.all(nodes.map(paths))
    return JSON.stringify(found) === JSON.stringify(expected) || undefined
  }
  await site.until(`the paths are ${JSON.stringify(expected)}`, probe, { withinMs: 10_000 })
}

async function routesAt(site: ScenarioSite, node: string, domain: string): Promise<(Known & { name: string })[]> {
  const { json } = await site.operator(node).get(`/v1/routes?domain=${domain}`)
  return (json as { routes: (Known & { name: string })[] }).routes
}

/** B does not dial A any more and admits it no more. */
async function close(site: ScenarioSite, node: string, peer: string): Promise<void> {
  await patch(site, node, peer, { enabled: false })
}

async function patch(site: ScenarioSite, node: string, peer: string, change: Record<string, unknown>): Promise<void> {
  expect(await site.operator(node).patch(`/v1/peers/${peer}`, change)).toMatchObject({ status: 200 })
}
