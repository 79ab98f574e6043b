import { randomUUID } from 'node:crypto'
import { type Credential, expect, mutateClaims, type ScenarioSite, type Session, scenario } from 'holdfast/vitest'

const test = scenario('separate-auth', { set: { validation: 'jwks' } })
const refused = { guard: 'route.domain', reason: 'route_domain_refused', layer: 'session' } as const

test('a domain that is not its own, or only looks like it', async ({ site, credential }) => {
  const { session, conn } = await opened(site, credential('peer-b-to-a'))

  announce(session, 1, ['b.test', 'deep.b.test'])
  await site.until('both are installed', async () => (await learned(site)).length === 2, { withinMs: 2_000 })
  announce(session, 2, ['a.test', 'evil.test', 'xb.test', 'test', 'b.test.evil.test', 'b.test'])

  const records = () => site.decisions('node-a', { conn, ...refused })
  await site.until('the node says what it refused', async () => (await records()).length > 0, { withinMs: 2_000 })
  expect(await learned(site)).toEqual(['b.test', 'deep.b.test'])
  await session.close()
})

test('a token that names no domain', async ({ site, credential }) => {
  const key = await site.signingKey('auth-a')
  const bare = credential('peer-b-to-a').withToken(
    (token) => mutateClaims(token, key, ({ trusted_domains: _, ...claims }) => claims),
    'without trusted_domains',
  )
  const { session, conn } = await opened(site, bare)

  announce(session, 1, ['b.test'])

  const records = () => site.decisions('node-a', { conn, ...refused })
  await site.until('the node says what it refused', async () => (await records()).length > 0, { withinMs: 2_000 })
  expect(await learned(site)).toEqual([])
  await session.close()
})

/** A session of the test's own as node-b, which itself stays silent. */
async function opened(site: ScenarioSite, credential: Credential): Promise<{ session: Session; conn: string }> {
  await site.operator('node-b').patch('/v1/peers/node-a', { enabled: false })
  const { verdict, session } = await site.open('node-b', 'node-a', 'peering:connect', credential)
  expect(verdict).toBeAccepted()
  session.send({ type: 'open', version: 1, node: 'node-b', holdTimeMs: 90_000, session: randomUUID() })
  return { session, conn: verdict.conn }
}

/** `endOfSync` takes away what the session before had announced, so only what this one says is left. */
function announce(session: Session, seq: number, domains: readonly string[]): void {
  const route = { op: 'announce', name: 'claimed', protocol: 'http', endpoint: 'https://b.test/', path: ['node-b'] }
  session.send({ type: 'update', seq, routes: domains.map((domain) => ({ ...route, domain })), endOfSync: true })
}

async function learned(site: ScenarioSite): Promise<string[]> {
  const { json } = await site.operator('node-a').get('/v1/routes?state=learned')
  return (json as { routes: { domain: string }[] }).routes.map(({ domain }) => domain).toSorted()
}
