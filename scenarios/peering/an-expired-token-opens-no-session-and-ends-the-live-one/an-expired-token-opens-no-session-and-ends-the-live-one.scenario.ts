import { randomUUID } from 'node:crypto'
import { type Credential, expect, inspectToken, type ScenarioSite, type Session, scenario } from 'holdfast/vitest'

// Where the auth server is asked, it calls a token inactive from `exp` on, without the leeway: that ends things sooner.
const test = scenario('separate-auth', {
  waits: true,
  clock: 'movable',
  set: { certificateLifetime: '4h', tokenLifetime: '10m', validation: 'jwks' },
})
const skewSeconds = 30
const recheckSeconds = 5
/** After the token a session may go on for so long. */
const endsWithinMs = 1_000

test('the live session ends within a second of exp + skew, and its routes go', async ({ site, credential }) => {
  await quiet(site)
  const right = credential('peer-b-to-a')
  const { verdict, session } = await site.open('node-b', 'node-a', 'peering:connect', right)
  expect(verdict).toBeAccepted()
  introduce(session)
  announce(session)
  await site.until('A has the route', () => learned(site), { withinMs: 5_000 })

  const endsAt = await moveBefore(site, right, 3)
  expect(await learned(site)).toBe(true)
  expect(Date.now()).toBeLessThan(endsAt)

  const end = await site.ended(session, { withinMs: 10_000 })
  expect(end.code).toBe(4401)
  expect(end.at - endsAt).toBeGreaterThanOrEqual(0)
  expect(end.at - endsAt).toBeLessThanOrEqual(site.bound(endsWithinMs))
  const records = await site.decisions('node-a', { conn: verdict.conn, layer: 'session' })
  expect(records).toMatchObject([{ verdict: 'refused', guard: 'live.recheck', reason: 'token_ended' }])
  await site.until('the route is withdrawn', async () => !(await learned(site)), { withinMs: 1_000 })
  const fresh = await site.call('node-b', 'node-a', 'peering:connect', credential.anew('peer-b-to-a'))
  expect(fresh).toBeAccepted()
})

test('a new session is opened up to exp + skew, and none from then on', async ({ site, credential }) => {
  const right = credential('peer-b-to-a')

  const endsAt = await moveBefore(site, right, 5)
  expect(await site.call('node-b', 'node-a', 'peering:connect', right)).toBeAccepted()
  expect(Date.now()).toBeLessThan(endsAt)
  await site.until('exp and skew have passed', () => Date.now() > endsAt, { withinMs: 6_000 })

  expect(await site.call('node-b', 'node-a', 'peering:connect', right)).toBeRefused({
    status: 401,
    error: 'invalid_token',
    reason: 'token_expired',
    guard: 'token.time',
  })
  const fresh = await site.call('node-b', 'node-a', 'peering:connect', credential.anew('peer-b-to-a'))
  expect(fresh).toBeAccepted()
})

test('by keys alone a revoked token goes on up to its end, as the node says when it starts, and no further', async ({
  site,
  credential,
}) => {
  await quiet(site)
  expect(site.node('node-a').logs('orchestrator').join('\n')).toMatch(/"warn".*revocation-unseen/)
  const right = credential('peer-b-to-a')
  const { verdict, session } = await site.open('node-b', 'node-a', 'peering:connect', right)
  expect(verdict).toBeAccepted()
  introduce(session)
  const revoked = await site.operator('auth-a').post('/operator/v1/tokens/revoke', { jti: verdict.principal.jti })
  expect(revoked).toMatchObject({ status: 200, json: { revoked: 1 } })

  // So long that each live session was looked at once more.
  const endsAt = await moveBefore(site, right, recheckSeconds + 2)
  await site.until('the session was looked at', () => Date.now() > endsAt - site.bound(1_500), { withinMs: 10_000 })
  expect(await site.call('node-b', 'node-a', 'peering:connect', right)).toBeAccepted()
  expect(Date.now()).toBeLessThan(endsAt)

  const end = await site.ended(session, { withinMs: 3_000 })
  expect(end.code).toBe(4401)
  expect(end.at - endsAt).toBeGreaterThanOrEqual(0)
  const boundMs = site.bound(endsWithinMs)
  expect(site.measured('a session of a revoked token ends after exp', end.at - endsAt, boundMs)).toBeLessThanOrEqual(
    boundMs,
  )
  expect(await site.call('node-b', 'node-a', 'peering:connect', right)).toBeRefused({
    status: 401,
    error: 'invalid_token',
    reason: 'token_expired',
    guard: 'token.time',
  })
})

/** Moves all clocks to so many seconds before nothing may be accepted any more, or longer; answers when that is, in epoch ms. */
async function moveBefore(site: ScenarioSite, credential: Credential, seconds: number): Promise<number> {
  const exp = Number(inspectToken(await credential.token())?.claims.exp)
  await site.clock().shift(exp + skewSeconds - site.bound(seconds) - Math.floor(Date.now() / 1000))
  return (exp + skewSeconds) * 1000
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
