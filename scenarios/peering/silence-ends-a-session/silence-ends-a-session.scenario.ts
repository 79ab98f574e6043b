import { expect, type ScenarioSite, scenario } from 'holdfast/vitest'

const holdTimeMs = 4_000
const test = scenario('transit', {
  own: true,
  waits: true,
  set: { auth: 'shared', holdTime: '4s' },
  needs: ['pause', 'partition'],
})
/** What a dialer waits at most before its second attempt in a row: it doubles with each, and nodes spread it by a fifth. */
const backOffMs = 2_400
/** For a handshake and the whole table, on a machine that has more to do. */
const graceMs = 1_500
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

test('a network cut between A and B: both give up at the hold time; healed, all tables agree again', async ({
  site,
}) => {
  await synced(site)
  const [a, b, c] = [await site.tap('node-a'), await site.tap('node-b'), await site.tap('node-c')]
  const cutAt = performance.now()
  await site.partition('node-a', 'node-b')

  // Neither side can tell the other of what changes meanwhile.
  const operators = { a: site.operator('node-a'), c: site.operator('node-c') }
  expect(await operators.a.put('/v1/routes/a.test/during', endpoint)).toMatchObject({ status: 201 })
  expect(await operators.a.delete('/v1/routes/a.test/orders')).toMatchObject({ status: 204 })
  expect(await operators.c.put('/v1/routes/c.test/during', endpoint)).toMatchObject({ status: 201 })
  await site.until('neither A nor B nor C has a route from beyond the cut', () => tablesAre(site, apart), {
    withinMs: 10_000,
  })
  const tookMs = performance.now() - cutAt
  expect(tookMs).toBeGreaterThan((holdTimeMs * 2) / 3 - 200)
  expect(site.measured('routes beyond a cut are withdrawn', tookMs, holdTimeMs + 1_000)).toBeLessThan(
    holdTimeMs + 1_000,
  )
  for (const { logs } of [a, b]) {
    for (const direction of ['inbound', 'outbound']) {
      const ended = new RegExp(`session-ended.*"direction":"${direction}".*"code":"hold_expired"`)
      await site.until(`the ${direction} session ended`, () => ended.test(logs().join('\n')), { withinMs: 2_000 })
    }
  }
  for (const [node, peer] of [
    ['node-a', 'node-b'],
    ['node-b', 'node-a'],
  ] as const) {
    expect(await stateOf(site, node, peer)).toBe('down')
  }

  const healedAt = performance.now()
  await site.heal()
  await site.until('all tables agree again', () => tablesAre(site, together), { withinMs: 10_000 })
  const backMs = performance.now() - healedAt
  const boundMs = backOffMs + graceMs
  expect(site.measured('all tables agree after a cut', backMs, boundMs)).toBeLessThan(boundMs)
  expect(await stateOf(site, 'node-b', 'node-a')).toBe('connected')
  // B and C had nothing to do with it.
  expect(c.logs().join('\n')).not.toMatch(/session-ended/)
})

/** What A, B and C know while A and B are cut off from each other, and afterwards. */
const apart = {
  'node-a': ['a.test/during'],
  'node-b': ['b.test/orders', 'c.test/during node-c', 'c.test/orders node-c'],
  'node-c': ['b.test/orders node-b', 'c.test/during', 'c.test/orders'],
}
const together = {
  'node-a': ['a.test/during', 'b.test/orders node-b', 'c.test/during node-b node-c', 'c.test/orders node-b node-c'],
  'node-b': ['a.test/during node-a', ...apart['node-b']],
  'node-c': ['a.test/during node-b node-a', ...apart['node-c']],
}

/** Whether all nodes know just these routes, with the paths that they took, and none of them stale. */
async function tablesAre(site: ScenarioSite, expected: typeof apart): Promise<boolean> {
  for (const [node, table] of Object.entries(expected)) {
    const { routes } = (await site.operator(node).get('/v1/routes')).json as { routes: Known[] }
    const fresh = routes.filter(({ state }) => state !== 'stale')
    const known = fresh.map(({ domain, name, path }) => [`${domain}/${name}`, ...path].join(' ')).sort()
    if (fresh.length !== routes.length || known.join() !== table.join()) return false
  }
  return true
}

interface Known {
  domain: string
  name: string
  path: string[]
  state: string
}

async function stateOf(site: ScenarioSite, node: string, peer: string): Promise<string | undefined> {
  const { peers } = (await site.operator(node).get('/v1/state')).json as { peers: { name: string; state: string }[] }
  return peers.find(({ name }) => name === peer)?.state
}

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
