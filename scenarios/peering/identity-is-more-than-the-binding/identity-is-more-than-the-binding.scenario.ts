import { randomUUID } from 'node:crypto'
import { expect, mutateClaims, type Session, scenario, thumbprintS256, unspoiled } from 'holdfast/vitest'

const test = scenario('separate-auth', { set: { orgs: 3, validation: 'jwks' } })
const refused = (reason: string) => ({ status: 401, error: 'invalid_token', reason, guard: 'peer.identity' })

test("a certificate of the peer's CA with another name", async ({ site, credential }) => {
  const key = await site.signingKey('auth-a')
  const authority = await site.authority('ca-b')
  const right = credential('peer-b-to-a')
  const other = await unspoiled({ authority, subject: 'other.somebiz.local.io', sans: ['other.somebiz.local.io'] })
  const cnf = { 'x5t#S256': thumbprintS256(other.certPem) }
  const forged = await mutateClaims(await right.token(), key, (claims) => ({ ...claims, cnf }))

  expect(await site.call('node-b', 'node-a', 'peering:connect', right)).toBeAccepted()
  const attack = right.withCertificate(other).withToken(forged, 'bound to it')
  expect(await site.call('node-b', 'node-a', 'peering:connect', attack)).toBeRefused(refused('san_mismatch'))
})

test("a certificate with the peer's name, of another organisation's CA that is trusted, too", async ({
  site,
  credential,
}) => {
  const key = await site.signingKey('auth-a')
  const { host } = site.node('node-b')
  const right = credential('peer-b-to-a')
  const other = await unspoiled({ authority: await site.authority('ca-c'), subject: host, sans: [host] })
  const cnf = { 'x5t#S256': thumbprintS256(other.certPem) }
  const forged = await mutateClaims(await right.token(), key, (claims) => ({ ...claims, cnf }))

  expect(await site.call('node-b', 'node-a', 'peering:connect', right)).toBeAccepted()
  const attack = right.withCertificate(other).withToken(forged, 'bound to it')
  expect(await site.call('node-b', 'node-a', 'peering:connect', attack)).toBeRefused(refused('anchor_mismatch'))
})

test('a subject that is no configured peer', async ({ site, credential }) => {
  const key = await site.signingKey('auth-a')
  const stranger = { sub: 'node-x', client_id: 'node-x' }
  const forged = credential('peer-b-to-a').withToken(
    (token) => mutateClaims(token, key, (claims) => ({ ...claims, ...stranger })),
    'for a stranger',
  )

  expect(await site.call('node-b', 'node-a', 'peering:connect', forged)).toBeRefused(refused('peer_unknown'))
})

test('a session in which the peer says it is another one ends', async ({ site, credential }) => {
  const { verdict, session } = await site.open('node-b', 'node-a', 'peering:connect', credential('peer-b-to-a'))
  expect(verdict).toBeAccepted()

  introduce(session, 'node-c')

  expect(await site.ended(session, { withinMs: 2_000 })).toMatchObject({ code: 4403 })
  const ends = await site.decisions('node-a', { conn: verdict.conn, layer: 'session' })
  expect(ends).toMatchObject([{ verdict: 'refused', guard: 'msg.open', reason: 'subject_mismatch' }])
})

test('a session that announces a route of another origin ends, and nothing is installed', async ({
  site,
  credential,
}) => {
  const { verdict, session } = await site.open('node-b', 'node-a', 'peering:connect', credential('peer-b-to-a'))
  expect(verdict).toBeAccepted()
  introduce(session, 'node-b')
  const route = { op: 'announce', domain: 'b.test', name: 'stolen', protocol: 'http', endpoint: 'https://evil.test/' }

  session.send({ type: 'update', seq: 1, routes: [{ ...route, path: ['node-c'] }], endOfSync: true })

  expect(await site.ended(session, { withinMs: 2_000 })).toMatchObject({ code: 4403 })
  const ends = await site.decisions('node-a', { conn: verdict.conn, layer: 'session' })
  expect(ends).toMatchObject([{ verdict: 'refused', guard: 'route.origin', reason: 'route_origin_mismatch' }])
  const { routes } = (await site.operator('node-a').get('/v1/routes')).json as { routes: { name: string }[] }
  expect(routes.map(({ name }) => name)).not.toContain('stolen')
})

function introduce(session: Session, node: string): void {
  session.send({ type: 'open', version: 1, node, holdTimeMs: 90_000, session: randomUUID() })
}
