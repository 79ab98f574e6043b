import { expect, type ScenarioSite, scenario, thumbprintS256 } from 'holdfast/vitest'

const test = scenario('transit', {
  clock: 'movable',
  set: { auth: 'shared', renewal: 'on', certificateLifetime: '4h', nodeCertificateLifetime: '10m' },
})
const nodes = ['node-a', 'node-b', 'node-c']
const minute = 60

test('three renewals of every node: C never misses a route of A', { timeout: 120_000 }, async ({ site }) => {
  const route = { protocol: 'http', endpoint: 'https://orders.a.test/' }
  expect(await site.operator('node-a').put('/v1/routes/a.test/orders', route)).toMatchObject({ status: 201 })
  await site.until('C has the route', () => hasRoute(site), { withinMs: 20_000 })

  for (let round = 1; round <= 3; round += 1) {
    const before = await Promise.all(nodes.map((node) => certificateOf(site, node)))
    await site.clock().shift(7 * minute)
    const renewed = async () => {
      expect(await hasRoute(site), `the route in round ${round}`).toBe(true)
      const now = await Promise.all(nodes.map((node) => certificateOf(site, node)))
      return now.every(({ x5t }, at) => x5t !== before[at]?.x5t) && (await allConnectedAnew(site))
    }
    await site.until(`every session runs over new certificates, round ${round}`, renewed, { withinMs: 30_000 })
  }
})

test('the token of the certificate before is refused over the new one', { timeout: 60_000 }, async ({
  site,
  credential,
}) => {
  const old = await site.held('node-a')
  const { x5t } = await certificateOf(site, 'node-a')
  await site.clock().shift(7 * minute)
  const isFiled = async () => {
    const { identity } = await site.held('node-a')
    const newest = await certificateOf(site, 'node-a')
    return newest.x5t !== x5t && thumbprintS256(identity!.certPem) === newest.x5t
  }
  await site.until('A has renewed', isFiled, { withinMs: 30_000 })
  const now = await site.held('node-a')

  const right = credential('node-a').withCertificate(now.identity!).withToken(now.token!)
  expect(await site.call('node-a', 'node-b', 'peering:connect', right)).toBeAccepted()
  expect(
    await site.call('node-a', 'node-b', 'peering:connect', right.withToken(old.token!, 'of the old one')),
  ).toBeRefused({ status: 401, error: 'invalid_token', reason: 'cnf_x5t_mismatch', guard: 'token.binding' })
})

test('without the CA: unready in time, and the session ends with the certificate', { timeout: 60_000 }, async ({
  site,
}) => {
  await site.until('all is connected', () => allConnectedAnew(site), { withinMs: 20_000 })
  await site.node('ca').stop('ca')
  const { notAfter } = await certificateOf(site, 'node-a')
  await moveBefore(site, notAfter, 50)
  const ending = async () => {
    const { json } = await site.operator('node-a').get('/readyz')
    return (json as { reason?: string }).reason === 'certificate_ending'
  }
  await site.until('A says that it will be unready', ending, { withinMs: 10_000 })

  const tap = await site.tap('node-b')
  await moveBefore(site, notAfter, 3)
  const ended = async () => {
    const ends = await tap.decisions({ action: 'peering:session', reason: 'certificate_ended' })
    return ends.find(({ principal }) => principal.sub === 'node-a')
  }
  const end = await site.until('B ends the session of A', ended, { withinMs: 10_000 })
  const tookMs = Date.parse(end.ts) - notAfter
  expect(tookMs).toBeGreaterThanOrEqual(0)
  expect(site.measured('a session ends after its certificate', tookMs, 1_000)).toBeLessThanOrEqual(1_000)
})

interface State {
  certificate: { 'x5t#S256': string; notAfter: string }
  peers: { name: string; state: string; outbound: { rebindRequired?: string } }[]
}

async function stateOf(site: ScenarioSite, node: string): Promise<State> {
  return (await site.operator(node).get('/v1/state')).json as State
}

async function certificateOf(site: ScenarioSite, node: string) {
  const { certificate } = await stateOf(site, node)
  return { x5t: certificate['x5t#S256'], notAfter: Date.parse(certificate.notAfter) }
}

async function hasRoute(site: ScenarioSite): Promise<boolean> {
  const { routes } = (await site.operator('node-c').get('/v1/routes?domain=a.test')).json as { routes: unknown[] }
  return routes.length === 1
}

/** Everybody is connected, and what B admitted last from each neighbour came over the certificate that the neighbour has now. */
async function allConnectedAnew(site: ScenarioSite): Promise<boolean> {
  const states = await Promise.all(nodes.map((node) => stateOf(site, node)))
  const isConnected = states.every(({ peers }) => peers.every(({ state }) => state === 'connected'))
  const admitted = await site.decisions('node-b', { action: 'peering:connect', verdict: 'accepted' })
  const isNew = ['node-a', 'node-c'].every((node) => {
    const last = admitted.findLast(({ principal }) => principal.sub === node)
    return last?.principal['x5t#S256'] === states[nodes.indexOf(node)]?.certificate['x5t#S256']
  })
  return isConnected && isNew && states.every(({ peers }) => peers.every(({ outbound }) => !outbound.rebindRequired))
}

async function moveBefore(site: ScenarioSite, time: number, seconds: number): Promise<void> {
  await site.clock().shift(Math.floor(time / 1000) - seconds - Math.floor(Date.now() / 1000))
}
