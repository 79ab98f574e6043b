import { expect, type ScenarioSite, scenario } from 'holdfast/vitest'

const holdTimeMs = 4_000
const test = scenario('transit', { set: { auth: 'shared', holdTime: '4s' }, needs: ['pause'] })
const endpoint = { protocol: 'http', endpoint: 'https://orders.test/' }

test('a paused node: withdrawn at the hold time, not before, everywhere; and back again', async ({ site }) => {
  await synced(site)
  const at = { a: await site.tap('node-a'), c: await site.tap('node-c') }
  const pausedAt = performance.now()
  await site.node('node-b').pause('orchestrator')

  const silent = async () => {
    const [a, c] = [await statesAt(site, 'node-a', 'node-b'), await statesAt(site, 'node-c', 'node-b')]
    return a.length === 0 && c.length === 0
  }
  await site.until('A and C have no route of B', silent, { withinMs: 10_000 })
  const tookMs = performance.now() - pausedAt
  await site.node('node-b').resume('orchestrator')

  // The last word of B was at most a third of the hold time before the pause.
  expect(tookMs).toBeGreaterThan((holdTimeMs * 2) / 3 - 200)
  expect(site.measured('routes of a silent peer are withdrawn', tookMs, holdTimeMs + 1_000)).toBeLessThan(
    holdTimeMs + 1_000,
  )
  for (const tap of [at.a, at.c]) expect(tap.logs().join('\n')).toMatch(/session-ended.*"code":"hold_expired"/)
  await synced(site)
})

test('a killed node: stale at once, withdrawn when the hold time is over; and back again', async ({ site }) => {
  await synced(site)
  await site.node('node-b').kill('orchestrator')
  const stale = async () => (await statesAt(site, 'node-a', 'node-b')).join() === 'stale,stale'
  await site.until('A keeps the routes of B as stale', stale, { withinMs: 2_000 })
  const staleAt = performance.now()

  const gone = async () => (await statesAt(site, 'node-a', 'node-b')).length === 0
  await site.until('A has no route of B', gone, { withinMs: 10_000 })
  const tookMs = performance.now() - staleAt
  expect(site.measured('stale routes are withdrawn', tookMs, holdTimeMs + 1_000)).toBeLessThan(holdTimeMs + 1_000)
  expect(tookMs).toBeGreaterThan(holdTimeMs / 2)

  await site.node('node-b').start('orchestrator')
  await synced(site)
})

test('a node that stops says so, and its routes are stale, too', async ({ site }) => {
  await synced(site)
  const tap = await site.tap('node-a')
  await site.node('node-b').stop('orchestrator')
  const stale = async () => (await statesAt(site, 'node-a', 'node-b')).join() === 'stale,stale'
  await site.until('A keeps the routes of B as stale', stale, { withinMs: 2_000 })
  expect(tap.logs().join('\n')).toMatch(/session-ended.*"direction":"inbound".*"code":"shutdown"/)
  await site.node('node-b').start('orchestrator')
  await synced(site)
})

/** Each node announces one route, and A and C have each other's through B. */
async function synced(site: ScenarioSite): Promise<void> {
  for (const letter of ['a', 'b', 'c']) {
    const { status } = await site.operator(`node-${letter}`).put(`/v1/routes/${letter}.test/orders`, endpoint)
    expect([200, 201]).toContain(status)
  }
  for (const node of ['node-a', 'node-c']) {
    const both = async () => (await statesAt(site, node, 'node-b')).join() === 'learned,learned'
    await site.until(`${node} has both routes through B`, both, { withinMs: 20_000 })
  }
  const ends = async () =>
    [await statesAt(site, 'node-b', 'node-a'), await statesAt(site, 'node-b', 'node-c')].join() === 'learned,learned'
  await site.until('B has the routes of both', ends, { withinMs: 20_000 })
}

async function statesAt(site: ScenarioSite, node: string, from: string): Promise<string[]> {
  const { json } = await site.operator(node).get(`/v1/routes?from=${from}`)
  return (json as { routes: { state: string }[] }).routes.map(({ state }) => state)
}
