import { expect, type ScenarioSite, scenario } from 'holdfast/vitest'

const test = scenario('separate-auth')

test('both directions come up', async ({ site }) => {
  expect(await connected(site, 'node-a', 'node-b')).toBe(true)
  expect(await connected(site, 'node-b', 'node-a')).toBe(true)
})

test('A validates at Auth-A only, B at Auth-B only', async ({ site }) => {
  await connected(site, 'node-a', 'node-b')
  await connected(site, 'node-b', 'node-a')

  expect(await askedAt(site, 'auth-a')).toEqual(new Set(['node-a about node-b']))
  expect(await askedAt(site, 'auth-b')).toEqual(new Set(['node-b about node-a']))
})

test('each node can use its own token at home', async ({ site, credential }) => {
  expect(await site.call('node-a', 'node-a', 'node:read', credential('node-a'))).toBeAccepted()
  expect(await site.call('node-b', 'node-b', 'node:routes', credential('node-b'))).toBeAccepted()
  expect(await site.operator('node-b').delete('/v1/routes/written.test/probe')).toMatchObject({ status: 204 })
})

async function askedAt(site: ScenarioSite, auth: string): Promise<Set<string>> {
  const records = await site.decisions(auth, { action: 'token:introspect' })
  return new Set(records.map(({ principal }) => `${principal.client_id} about ${principal.sub}`))
}

async function connected(site: ScenarioSite, node: string, peer: string): Promise<boolean> {
  const state = async () => {
    const { peers } = (await site.operator(node).get('/v1/state')).json as { peers: { name: string; state: string }[] }
    return peers.find(({ name }) => name === peer)?.state === 'connected'
  }
  return site.until(`${node} is connected with ${peer}`, state, { withinMs: 10_000 })
}
