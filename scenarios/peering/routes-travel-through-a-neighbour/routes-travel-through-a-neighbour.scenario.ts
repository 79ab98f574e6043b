import { describe, expect, type ScenarioSite, scenario } from 'holdfast/vitest'

const endpoint = { protocol: 'http', endpoint: 'https://orders.test/' }

interface Route {
  name: string
  path: string[]
  state: string
}

const variants = (['separate', 'shared'] as const).map(
  (auth) => [auth, scenario('transit', { own: true, set: { auth } })] as const,
)

describe.for(variants)('auth servers: %s', ([, test]) => {
  test('C learns the route with its path, and loses it when A withdraws it', async ({ site }) => {
    await allConnected(site)
    await announce(site, 'node-a', 'a.test', 'orders')
    expect(await learned(site, 'a.test', 'orders')).toMatchObject({ path: ['node-b', 'node-a'], state: 'learned' })

    expect(await site.operator('node-a').delete('/v1/routes/a.test/orders')).toMatchObject({ status: 204 })
    await gone(site, 'a.test', 'orders')
  })

  test('when B peers with A no more it is withdrawn at C, and it comes back', async ({ site }) => {
    await allConnected(site)
    await announce(site, 'node-a', 'a.test', 'cut')
    await learned(site, 'a.test', 'cut')

    await enable(site, 'node-b', 'node-a', false)
    await gone(site, 'a.test', 'cut')
    await enable(site, 'node-b', 'node-a', true)
    // A may have been refused meanwhile, and would wait a minute: a changed record is dialled at once.
    await enable(site, 'node-a', 'node-b', true)
    expect(await learned(site, 'a.test', 'cut')).toMatchObject({ path: ['node-b', 'node-a'] })
  })

  test('while B starts anew C keeps its routes as stale; those of B without a gap', async ({ site }) => {
    await allConnected(site)
    await announce(site, 'node-a', 'a.test', 'far')
    await announce(site, 'node-b', 'b.test', 'near')
    await learned(site, 'a.test', 'far')
    await learned(site, 'b.test', 'near')

    await site.node('node-b').kill('orchestrator')
    const stale = async () => {
      const [far, near] = [await routeAtC(site, 'a.test', 'far'), await routeAtC(site, 'b.test', 'near')]
      return far?.state === 'stale' && near?.state === 'stale'
    }
    await site.until('both are stale at C', stale, { withinMs: 5_000 })
    const started = site.node('node-b').start('orchestrator')
    const again = async () => {
      const near = await routeAtC(site, 'b.test', 'near')
      expect(near, 'the route of B is never away').toBeDefined()
      return near?.state === 'learned'
    }
    await site.until('C has the table of B', again, { withinMs: 20_000 })
    await started
    expect(await learned(site, 'a.test', 'far')).toMatchObject({ path: ['node-b', 'node-a'] })
  })

  test('what B no longer knows after its start is gone at C, too, until A has told B again', async ({ site }) => {
    await allConnected(site)
    await announce(site, 'node-a', 'a.test', 'gap')
    await announce(site, 'node-b', 'b.test', 'kept')
    await learned(site, 'a.test', 'gap')
    await learned(site, 'b.test', 'kept')

    await enable(site, 'node-a', 'node-b', false)
    await site.node('node-b').kill('orchestrator')
    await site.node('node-b').start('orchestrator')
    await gone(site, 'a.test', 'gap')
    expect(await learned(site, 'b.test', 'kept')).toMatchObject({ path: ['node-b'] })

    await enable(site, 'node-a', 'node-b', true)
    // B may have been refused meanwhile, and would wait a minute: a changed record is dialled at once.
    await enable(site, 'node-b', 'node-a', true)
    expect(await learned(site, 'a.test', 'gap')).toMatchObject({ path: ['node-b', 'node-a'] })
  })
})

async function allConnected(site: ScenarioSite): Promise<void> {
  const state = async () => {
    const { peers } = (await site.operator('node-b').get('/v1/state')).json as { peers: { state: string }[] }
    return peers.every(({ state }) => state === 'connected')
  }
  await site.until('node-b is connected with both', state, { withinMs: 20_000 })
}

async function announce(site: ScenarioSite, node: string, domain: string, name: string): Promise<void> {
  expect(await site.operator(node).put(`/v1/routes/${domain}/${name}`, endpoint)).toMatchObject({ status: 201 })
}

async function routeAtC(site: ScenarioSite, domain: string, name: string): Promise<Route | undefined> {
  const { routes } = (await site.operator('node-c').get(`/v1/routes?domain=${domain}`)).json as { routes: Route[] }
  return routes.find((route) => route.name === name)
}

function learned(site: ScenarioSite, domain: string, name: string): Promise<Route> {
  const probe = async () => {
    const route = await routeAtC(site, domain, name)
    return route?.state === 'learned' && route
  }
  return site.until(`C learns ${name}`, probe, { withinMs: 20_000 })
}

async function gone(site: ScenarioSite, domain: string, name: string): Promise<void> {
  const isGone = async () => (await routeAtC(site, domain, name)) === undefined
  await site.until(`${name} is gone at C`, isGone, { withinMs: 5_000 })
}

async function enable(site: ScenarioSite, node: string, peer: string, enabled: boolean): Promise<void> {
  expect(await site.operator(node).patch(`/v1/peers/${peer}`, { enabled })).toMatchObject({ status: 200 })
}
