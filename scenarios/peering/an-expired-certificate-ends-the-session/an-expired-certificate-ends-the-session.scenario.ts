import { randomUUID } from 'node:crypto'
import {
  type CredentialFixture,
  expect,
  issueLeaf,
  mutateClaims,
  type ScenarioSite,
  type Session,
  scenario,
  thumbprintS256,
} from 'holdfast/vitest'

// The nodes' own certificates and the token outlive the one that ends. Introspection would refuse a token that the test signed.
const test = scenario('separate-auth', {
  clock: 'movable',
  set: { certificateLifetime: '4h', tokenLifetime: '1h', validation: 'jwks' },
})

test('the live session ends within a second of notAfter', async ({ site, credential }) => {
  await quiet(site)
  const { ending, notAfter } = await overEndingCertificate(site, credential)
  const { verdict, session } = await site.open('node-b', 'node-a', 'peering:connect', ending)
  expect(verdict).toBeAccepted()
  introduce(session)

  await moveBefore(site, notAfter, site.bound(3))
  expect(await site.call('node-a', 'node-a', 'node:read', credential('node-a'))).toBeAccepted()
  expect(await site.decisions('node-a', { conn: verdict.conn, layer: 'session' })).toEqual([])
  expect(Date.now()).toBeLessThan(notAfter)

  const end = await site.ended(session, { withinMs: 10_000 })
  expect(end.code).toBe(4412)
  expect(end.at - notAfter).toBeGreaterThanOrEqual(0)
  expect(end.at - notAfter).toBeLessThanOrEqual(site.bound(1_000))
  const records = await site.decisions('node-a', { conn: verdict.conn, layer: 'session' })
  expect(records).toMatchObject([{ verdict: 'refused', guard: 'live.recheck', reason: 'certificate_ended' }])
})

test('a new connection is refused at TLS', async ({ site, credential }) => {
  const { ending, notAfter } = await overEndingCertificate(site, credential)
  expect(await site.call('node-b', 'node-a', 'peering:connect', ending)).toBeAccepted()

  await moveBefore(site, notAfter, -1)

  expect(await site.call('node-b', 'node-a', 'peering:connect', ending)).toBeRefused({
    layer: 'tls',
    reason: 'cert_expired',
    guard: 'peer.tls',
  })
  expect(await site.call('node-b', 'node-a', 'peering:connect', credential.anew('peer-b-to-a'))).toBeAccepted()
})

/** Nothing but the certificate ends in five minutes: same names, same CA, a token that lives for an hour. */
async function overEndingCertificate(site: ScenarioSite, credential: CredentialFixture) {
  const { host } = site.node('node-b')
  const notAfter = Math.floor(Date.now() / 1000) * 1000 + 300_000
  const authority = await site.authority('ca-b')
  const leaf = await issueLeaf({ authority, subject: host, sans: [host], notAfter: new Date(notAfter) })
  const key = await site.signingKey('auth-a')
  const cnf = { 'x5t#S256': thumbprintS256(leaf.certPem) }
  const bound = (token: string) => mutateClaims(token, key, (claims) => ({ ...claims, cnf }))
  const ending = credential('peer-b-to-a').withCertificate(leaf, 'that ends soon').withToken(bound, 'bound to it')
  return { ending, notAfter }
}

/** Moves all clocks to so many seconds before a time in epoch ms. */
async function moveBefore(site: ScenarioSite, time: number, seconds: number): Promise<void> {
  await site.clock().shift(time / 1000 - seconds - Math.floor(Date.now() / 1000))
}

/** B itself stops dialling, so that the test's session is not replaced by B's own. */
async function quiet(site: ScenarioSite): Promise<void> {
  expect(await site.operator('node-b').patch('/v1/peers/node-a', { enabled: false })).toMatchObject({ status: 200 })
}

function introduce(session: Session): void {
  session.send({ type: 'open', version: 1, node: 'node-b', holdTimeMs: 90_000, session: randomUUID() })
}
