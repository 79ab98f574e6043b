import { randomUUID } from 'node:crypto'
import { type Credential, expect, mutateClaims, type ScenarioSite, scenario } from 'holdfast/vitest'

const test = scenario('separate-auth', { own: true, set: { validation: 'jwks' } })
const inside = ['b.test', 'sub.b.test']
const outside = ['a.test', 'notb.test', 'b.test.evil', 'test', 'xn--b-test', 'sub.b.test.', 'B.test']

test('inside and outside of the domains that token and record agree on', async ({ site, credential }) => {
  const { installed, refused, drops } = await announced(site, credential('peer-b-to-a'), [...outside, ...inside])

  expect(installed).toEqual(inside)
  expect(refused).toBe(outside.length)
  expect(drops).toMatchObject([{ verdict: 'refused', guard: 'route.domain', reason: 'route_domain_refused' }])
})

test('a token for more domains than our record of the peer', async ({ site, credential }) => {
  const wide = await withDomains(site, credential('peer-b-to-a'), ['test', 'a.test', 'b.test'])

  expect(await announced(site, wide, ['a.test', 'b.test'])).toMatchObject({ installed: ['b.test'], refused: 1 })
})

test('a record for more domains than the token', async ({ site, credential }) => {
  const narrow = await withDomains(site, credential('peer-b-to-a'), ['only.b.test'])

  expect(await announced(site, narrow, ['b.test', 'x.only.b.test'])).toMatchObject({
    installed: ['x.only.b.test'],
    refused: 1,
  })
})

test.for([[], undefined])('a token for no domain: %s', async (domains, { site, credential }) => {
  const none = await withDomains(site, credential('peer-b-to-a'), domains)

  expect(await announced(site, none, ['b.test'])).toMatchObject({ installed: [], refused: 1 })
})

test('a domain that the operator takes from the peer takes its routes along', async ({ site, credential }) => {
  await quiet(site)
  const { session } = await site.open('node-b', 'node-a', 'peering:connect', credential('peer-b-to-a'))
  session.send({ type: 'open', version: 1, node: 'node-b', holdTimeMs: 90_000, session: randomUUID() })
  session.send({ type: 'update', seq: 1, routes: inside.map(entry), endOfSync: true })
  await site.until('both are installed', async () => (await domainsAt(site)).length === 2, { withinMs: 5_000 })

  await domains(site, ['sub.b.test'])
  expect(await domainsAt(site)).toEqual(['sub.b.test'])
  await domains(site, ['b.test'])
})

test('a domain that the operator gives to the peer counts from its next announcement on', async ({
  site,
  credential,
}) => {
  await quiet(site)
  await domains(site, ['sub.b.test'])
  const { verdict, session } = await site.open('node-b', 'node-a', 'peering:connect', credential('peer-b-to-a'))
  expect(verdict).toBeAccepted()
  session.send({ type: 'open', version: 1, node: 'node-b', holdTimeMs: 90_000, session: randomUUID() })
  session.send({ type: 'update', seq: 1, routes: inside.map(entry), endOfSync: true })
  await site.until('one is installed', async () => (await domainsAt(site)).length > 0, { withinMs: 5_000 })
  expect(await domainsAt(site)).toEqual(['sub.b.test'])

  await domains(site, ['b.test'])
  session.send({ type: 'update', seq: 2, routes: inside.map(entry) })

  await site.until('both are installed', async () => (await domainsAt(site)).length === 2, { withinMs: 5_000 })
  expect(await site.decisions('node-a', { conn: verdict.conn, layer: 'session', reason: 'peer_removed' })).toEqual([])
})

async function withDomains(site: ScenarioSite, right: Credential, trusted_domains: string[] | undefined) {
  const key = await site.signingKey('auth-a')
  const change = (token: string) => mutateClaims(token, key, (claims) => ({ ...claims, trusted_domains }))
  return right.withToken(change, `for ${trusted_domains ?? 'nothing'}`)
}

/** What of these domains A installs, what it says to have refused, and what it wrote down. */
async function announced(site: ScenarioSite, credential: Credential, domains: string[]) {
  await quiet(site)
  const { verdict, session } = await site.open('node-b', 'node-a', 'peering:connect', credential)
  expect(verdict).toBeAccepted()
  session.send({ type: 'open', version: 1, node: 'node-b', holdTimeMs: 3_000, session: randomUUID() })
  session.send({ type: 'update', seq: 1, routes: domains.map(entry), endOfSync: true })
  const keepalive = await site.until('A says what it refused', () => session.frames.find(isCount), { withinMs: 3_000 })
  const installed = await domainsAt(site)
  const drops = await site.decisions('node-a', { conn: verdict.conn, action: 'peering:route' })
  await session.close()
  return { installed, refused: keepalive.refused, drops }
}

function isCount(frame: Readonly<Record<string, unknown>>): boolean {
  return frame.type === 'keepalive'
}

function entry(domain: string) {
  return { op: 'announce', domain, name: 'orders', protocol: 'http', endpoint: 'https://x.test/', path: ['node-b'] }
}

/** B itself stops dialling, so that the test's session is not replaced by B's own. */
async function quiet(site: ScenarioSite): Promise<void> {
  expect(await site.operator('node-b').patch('/v1/peers/node-a', { enabled: false })).toMatchObject({ status: 200 })
}

async function domains(site: ScenarioSite, domains: string[]): Promise<void> {
  expect(await site.operator('node-a').patch('/v1/peers/node-b', { domains })).toMatchObject({ status: 200 })
}

async function domainsAt(site: ScenarioSite): Promise<string[]> {
  const { json } = await site.operator('node-a').get('/v1/routes?state=learned')
  return (json as { routes: { domain: string }[] }).routes.map(({ domain }) => domain)
}
