import { randomUUID } from 'node:crypto'
import {
  type Credential,
  expect,
  rogueAuthority,
  type ScenarioSite,
  type Session,
  scenario,
  type Verdict,
} from 'holdfast/vitest'

const test = scenario('separate-auth', { own: true, waits: true })
const inactive = { status: 401, error: 'invalid_token', reason: 'token_inactive', guard: 'token.active' }

test('by jti: the live session ends, a new one is refused, also after a restart', async ({ site, credential }) => {
  await quiet(site)
  const right = credential('peer-b-to-a')
  const neighbour = credential.anew('peer-b-to-a')
  const { verdict, session } = await site.open('node-b', 'node-a', 'peering:connect', right)
  expect(verdict).toBeAccepted()
  introduce(session)
  announce(session)
  await site.until('A has the route', () => learned(site), { withinMs: 5_000 })

  const revokedAt = Date.now()
  expect(await revoke(site, { jti: verdict.principal.jti })).toEqual({ revoked: 1 })

  expect(await refusedInTime(site, right)).toBeRefused(inactive)
  const end = await site.ended(session, { withinMs: 10_000 })
  expect(end).toMatchObject({ code: 4401 })
  expect(end.at - revokedAt).toBeLessThan(site.bound(7_000))
  await site.until('the route is withdrawn', async () => !(await learned(site)), { withinMs: 1_000 })
  expect(await site.call('node-b', 'node-a', 'peering:connect', neighbour)).toBeAccepted()

  await site.node('auth-a').kill('auth')
  await site.node('auth-a').start('auth')
  expect(await site.call('node-b', 'node-a', 'peering:connect', right)).toBeRefused(inactive)
  expect(await site.call('node-b', 'node-a', 'peering:connect', neighbour)).toBeAccepted()
})

test('by thumbprint: every token of that certificate, and no other', async ({ site, credential }) => {
  const right = credential('peer-b-to-a')
  const other = credential('node-a')
  expect(await site.call('node-b', 'node-a', 'peering:connect', right)).toBeAccepted()

  expect(await revoke(site, { x5t: await right.thumbprint() })).toEqual({ revoked: 1 })

  expect(await refusedInTime(site, right)).toBeRefused(inactive)
  expect(await site.call('node-a', 'node-a', 'node:read', other)).toBeAccepted()
})

test('by SAN: exact, whatever the case; never a pattern, never a part', async ({ site, credential }) => {
  const { host } = site.node('node-b')
  const right = credential('peer-b-to-a')
  const other = credential('node-a')
  expect(await site.call('node-b', 'node-a', 'peering:connect', right)).toBeAccepted()

  for (const san of ['*', '*.somebiz.local.io', 'node-b', host.slice(0, -1), `x${host}`]) {
    expect(await revoke(site, { san })).toEqual({ revoked: 0 })
  }
  expect(await site.call('node-b', 'node-a', 'peering:connect', right)).toBeAccepted()

  const { revoked } = (await revoke(site, { san: host.toUpperCase() })) as { revoked: number }
  expect(revoked).toBeGreaterThan(0)
  expect(await refusedInTime(site, right)).toBeRefused(inactive)
  expect(await site.call('node-a', 'node-a', 'node:read', other)).toBeAccepted()
  expect(await site.call('node-b', 'node-a', 'peering:connect', credential.anew('peer-b-to-a'))).toBeAccepted()
})

test('a jti that nobody minted is unknown, and a second revocation changes nothing', async ({ site, credential }) => {
  const right = credential('peer-b-to-a')
  const accepted = await site.call('node-b', 'node-a', 'peering:connect', right)
  expect(accepted).toBeAccepted()
  const { principal } = accepted
  const operator = site.operator('auth-a')

  expect(await revoke(site, { jti: principal.jti })).toEqual({ revoked: 1 })
  expect(await revoke(site, { jti: principal.jti })).toEqual({ revoked: 0 })
  expect(await operator.post('/operator/v1/tokens/revoke', { jti: 'nobody' })).toMatchObject({ status: 404 })
})

test('a CA that is trusted no more ends the sessions of its certificates', async ({ site, credential }) => {
  await quiet(site)
  const node = site.node('node-a')
  const file = 'anchors/org-b.pem'
  const anchor = await node.readFile(file)
  const trust = async (pem: string) => {
    await node.exec(['tee', file], { input: pem })
    await node.signal('SIGHUP', 'orchestrator')
  }
  const { verdict, session } = await site.open('node-b', 'node-a', 'peering:connect', credential('peer-b-to-a'))
  expect(verdict).toBeAccepted()
  introduce(session)
  announce(session)
  await site.until('A has the route', () => learned(site), { withinMs: 5_000 })

  site.own({ [Symbol.asyncDispose]: () => trust(anchor) })
  await trust((await rogueAuthority()).anchorPem)

  expect(await site.ended(session, { withinMs: 2_000 })).toMatchObject({ code: 4412 })
  const ends = await site.decisions('node-a', { conn: verdict.conn, layer: 'session' })
  expect(ends).toMatchObject([{ verdict: 'refused', guard: 'live.recheck', reason: 'certificate_ended' }])
})

/** An answer of the auth server is kept for a second, so a token that was just in use is refused a second later. */
function refusedInTime(site: ScenarioSite, credential: Credential): Promise<Verdict> {
  const call = () => site.call('node-b', 'node-a', 'peering:connect', credential)
  return site.denied('a revoked token', call, { withinMs: 1_000 })
}

/** B itself stops dialling, so that the test's session is not replaced by B's own. */
async function quiet(site: ScenarioSite): Promise<void> {
  expect(await site.operator('node-b').patch('/v1/peers/node-a', { enabled: false })).toMatchObject({ status: 200 })
}

function introduce(session: Session): void {
  session.send({ type: 'open', version: 1, node: 'node-b', holdTimeMs: 90_000, session: randomUUID() })
}

function announce(session: Session): void {
  const route = { op: 'announce', domain: 'b.test', name: 'orders', protocol: 'http', endpoint: 'https://o.b.test/' }
  session.send({ type: 'update', seq: 1, routes: [{ ...route, path: ['node-b'] }], endOfSync: true })
}

async function learned(site: ScenarioSite): Promise<boolean> {
  const { routes } = (await site.operator('node-a').get('/v1/routes?domain=b.test')).json as { routes: unknown[] }
  return routes.length > 0
}

async function revoke(site: ScenarioSite, by: Record<string, unknown>): Promise<unknown> {
  return (await site.operator('auth-a').post('/operator/v1/tokens/revoke', by)).json
}
