import { credentialOf, expect, type OperatorAnswer, type ScenarioSite, scenario } from 'holdfast/vitest'

const test = scenario('separate-auth', { own: true })
const route = { protocol: 'http', endpoint: 'https://orders.a.test/' }

interface ListedToken {
  jti: string
  state: string
}

test('fifty orders at once make fifty tokens', async ({ site, credential }) => {
  const order = await mintOrder(site, await proven(credential('peer-b-to-a')))

  const answers = await Promise.all(times(50, () => site.operator('auth-a').post('/operator/v1/tokens', order)))

  expect(statusesOf(answers)).toEqual({ 201: 50 })
  const jtis = answers.map(({ json }) => (json as { jti: string }).jti)
  expect(new Set(jtis).size).toBe(50)
  const active = (await tokens(site)).filter(({ state }) => state === 'active').map(({ jti }) => jti)
  expect(active).toEqual(expect.arrayContaining(jtis))
})

test('of fifty peers of one name one is created', async ({ site }) => {
  const record = await peerRecord(site, 'twin')

  const answers = await Promise.all(times(50, () => site.operator('node-a').post('/v1/peers', record)))

  expect(statusesOf(answers)).toEqual({ 201: 1, 409: 49 })
  expect((await peerNames(site)).filter((name) => name === 'twin')).toEqual(['twin'])
  await site.operator('node-a').delete('/v1/peers/twin')
})

test('an auth server that is killed while it mints', async ({ site, credential }) => {
  const order = await mintOrder(site, await proven(credential('peer-b-to-a')))
  const before = new Set((await tokens(site)).map(({ jti }) => jti))
  const mint = () => site.operator('auth-a').post('/operator/v1/tokens', order)
  const answered = await answeredBeforeKill(
    site,
    'auth-a',
    times(120, () => mint),
    201,
  )

  await site.node('auth-a').start('auth')

  const delivered = answered.map(({ json }) => (json as { jti: string }).jti)
  const made = (await tokens(site)).filter(({ jti }) => !before.has(jti))
  expect(made.map(({ jti }) => jti)).toEqual(expect.arrayContaining(delivered))
  const undelivered = made.filter(({ jti }) => !delivered.includes(jti))
  expect(undelivered.length).toBeLessThanOrEqual(lanes)
  for (const { jti } of undelivered) {
    const revoked = await site.operator('auth-a').post('/operator/v1/tokens/revoke', { jti })
    expect(revoked).toMatchObject({ status: 200, json: { revoked: 1 } })
  }
  expect(await site.call('node-b', 'node-a', 'peering:connect', credential.anew('peer-b-to-a'))).toBeAccepted()
})

test('an orchestrator that is killed while it is written to', async ({ site }) => {
  await bothConnected(site)
  const operator = site.operator('node-a')
  const writes = times(120, (at) => async () => {
    if (at % 10 === 9) return operator.post('/v1/peers', await peerRecord(site, `late-${at}`))
    return operator.put(`/v1/routes/a.test/crash-${at}`, route)
  })
  const answered = await answeredBeforeKill(site, 'node-a', writes, 201)
  const stale = async () => (await routesOf(site, 'node-b')).every(({ state }) => state === 'stale')
  await site.until('B holds the routes of A as stale', stale, { withinMs: 5_000 })

  await site.node('node-a').start('orchestrator')

  const promised = answered.map(({ json }) => (json as { name: string }).name)
  const own = (await routesOf(site, 'node-a')).map(({ name }) => name)
  expect([...own, ...(await peerNames(site))]).toEqual(expect.arrayContaining(promised))
  const same = async () => {
    const held = await routesOf(site, 'node-b')
    const names = held.map(({ name }) => name).sort()
    return held.every(({ state }) => state === 'learned') && JSON.stringify(names) === JSON.stringify(own.sort())
  }
  await site.until('B has the table of A, each route once', same, { withinMs: 20_000 })
  expect(new Set(own).size).toBe(own.length)
})

const lanes = 10

/** Does the work in lanes, and kills the node when a third of it has been answered; answers what came with that status. */
async function answeredBeforeKill(
  site: ScenarioSite,
  node: string,
  work: readonly (() => Promise<OperatorAnswer>)[],
  status: number,
): Promise<OperatorAnswer[]> {
  const answered: OperatorAnswer[] = []
  const left = [...work]
  let killing: Promise<void> | undefined
  const lane = async () => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) {
      const answer = await next().catch(() => undefined)
      if (answer?.status === status) answered.push(answer)
      else if (killing === undefined) expect(answer).toMatchObject({ status })
      if (answered.length >= work.length / 3) killing ??= site.node(node).kill()
      if (answer === undefined || answer.status === null) return
    }
  }
  await Promise.all(times(lanes, lane))
  await killing
  expect(answered.length).toBeGreaterThanOrEqual(work.length / 3)
  expect(answered.length).toBeLessThan(work.length)
  return answered
}

async function mintOrder(site: ScenarioSite, thumbprint: string): Promise<Record<string, unknown>> {
  const { mint } = credentialOf(site.plan, 'bound-token', 'peer-b-to-a').mint
  return { ...(mint?.json as Record<string, unknown>), 'x5t#S256': thumbprint }
}

/** The thumbprint of a certificate that its holder has proven, for a token of it was minted. */
async function proven(credential: { token(): Promise<string>; thumbprint(): Promise<string> }): Promise<string> {
  await credential.token()
  return credential.thumbprint()
}

async function peerRecord(site: ScenarioSite, name: string): Promise<Record<string, unknown>> {
  const { token } = await site.held('peer-a-to-b')
  // Nobody listens there: this is about the record.
  return { name, endpoint: `wss://${site.node('node-b').host}:1`, domains: [], trustDomain: 'org-b', peerToken: token }
}

async function tokens(site: ScenarioSite): Promise<ListedToken[]> {
  const { json } = await site.operator('auth-a').get('/operator/v1/tokens?limit=1000')
  return (json as { tokens: ListedToken[] }).tokens
}

async function peerNames(site: ScenarioSite): Promise<string[]> {
  const { json } = await site.operator('node-a').get('/v1/peers?limit=1000')
  return (json as { peers: { name: string }[] }).peers.map(({ name }) => name)
}

/** A's routes, at A itself or as B knows them. */
async function routesOf(site: ScenarioSite, at: 'node-a' | 'node-b'): Promise<{ name: string; state: string }[]> {
  const { json } = await site.operator(at).get('/v1/routes?domain=a.test&limit=1000')
  return (json as { routes: { name: string; state: string }[] }).routes
}

async function bothConnected(site: ScenarioSite): Promise<void> {
  const connected = async () => {
    const { peers } = (await site.operator('node-a').get('/v1/state')).json as {
      peers: { name: string; state: string }[]
    }
    return peers.find(({ name }) => name === 'node-b')?.state === 'connected'
  }
  await site.until('A and B are connected', connected, { withinMs: 20_000 })
}

function statusesOf(answers: readonly OperatorAnswer[]): Record<string, number> {
  const counted = Map.groupBy(answers, ({ status }) => String(status))
  return Object.fromEntries([...counted].map(([status, some]) => [status, some.length]))
}

function times<T>(count: number, make: (at: number) => T): T[] {
  return Array.from({ length: count }, (_, at) => make(at))
}
