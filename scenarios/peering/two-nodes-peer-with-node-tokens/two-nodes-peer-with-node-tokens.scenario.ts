import { expect, type ScenarioSite, scenario } from 'holdfast/vitest'

const test = scenario('shared-auth')

test('both directions come up, and both nodes asked the one auth server', async ({ site }) => {
  await connected(site, 'node-a', 'node-b')
  await connected(site, 'node-b', 'node-a')

  const asked = (await site.decisions('auth', { action: 'token:introspect', verdict: 'accepted' })).map(
    ({ principal }) => `${principal.client_id} about ${principal.sub}`,
  )
  expect(new Set(asked)).toEqual(new Set(['node-a about node-b', 'node-b about node-a']))
})

test("a route that A announces is B's route, and goes when A withdraws it", async ({ site }) => {
  await connected(site, 'node-a', 'node-b')
  await connected(site, 'node-b', 'node-a')
  const [a, b] = [site.operator('node-a'), site.operator('node-b')]
  const learned = async () => {
    const { routes } = (await b.get('/v1/routes?domain=a.test')).json as { routes: Record<string, unknown>[] }
    return routes[0]
  }

  const route = { protocol: 'http', endpoint: 'https://orders.a.test/' }
  expect(await a.put('/v1/routes/a.test/orders', route)).toMatchObject({ status: 201 })
  expect(await site.until('B has the route', learned, { withinMs: 5_000 })).toMatchObject({
    domain: 'a.test',
    name: 'orders',
    path: ['node-a'],
    ...route,
  })

  expect(await a.delete('/v1/routes/a.test/orders')).toMatchObject({ status: 204 })
  await site.until('B has it no more', async () => (await learned()) === undefined, { withinMs: 5_000 })
})

async function connected(site: ScenarioSite, node: string, peer: string): Promise<void> {
  const state = async () => {
    const { peers } = (await site.operator(node).get('/v1/state')).json as { peers: { name: string; state: string }[] }
    return peers.find(({ name }) => name === peer)?.state === 'connected'
  }
  await site.until(`${node} is connected with ${peer}`, state, { withinMs: 10_000 })
}
