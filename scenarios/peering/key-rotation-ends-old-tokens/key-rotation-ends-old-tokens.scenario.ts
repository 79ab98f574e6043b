import { randomUUID } from 'node:crypto'
import { type Credential, expect, type ScenarioSite, type Session, scenario } from 'holdfast/vitest'

const test = scenario('separate-auth', { own: true, waits: true })
const inactive = { status: 401, error: 'invalid_token', reason: 'token_inactive', guard: 'token.active' }
/** An answer of the auth server is kept for a second. */
const newWithinMs = 1_000
/** The time between two looks, and that which an answer may take. */
const endsWithinMs = 7_000

test('with grace: both are accepted, then the old one is refused', async ({ site, credential }) => {
  const old = credential('peer-b-to-a')
  const live = await liveSession(site, old)

  const over = await rotate(site, { mode: 'grace', graceSeconds: site.bound(6) })
  await accepted(site, credential.anew('peer-b-to-a'))
  const call = () => site.call('node-b', 'node-a', 'peering:connect', old)
  // The answer to this one is still kept when the grace is over.
  await site.until('the grace is nearly over', () => Date.now() >= over - site.bound(700), {
    withinMs: 10_000,
    everyMs: 10,
  })
  expect(await call()).toBeAccepted()
  await site.until('the grace is over', () => Date.now() >= over, { withinMs: 1_000, everyMs: 10 })
  const verdict = await site.denied('a token when the grace of its key is over', call, { withinMs: newWithinMs })
  expect(verdict).toBeRefused(inactive)
  const end = await site.ended(live, { withinMs: 2 * endsWithinMs })
  expect(end).toMatchObject({ code: 4401 })
  const boundMs = site.bound(endsWithinMs)
  const tookMs = site.measured('a session ends when the grace of its key is over', end.at - over, boundMs)
  expect(tookMs).toBeGreaterThanOrEqual(0)
  expect(tookMs).toBeLessThan(boundMs)
})

test('without grace: the old one is refused at once', async ({ site, credential }) => {
  const old = credential('peer-b-to-a')
  const live = await liveSession(site, old)

  await rotate(site, { mode: 'immediate' })
  const rotatedAt = Date.now()
  const call = () => site.call('node-b', 'node-a', 'peering:connect', old)
  const verdict = await site.denied('a token of a retired key', call, { withinMs: newWithinMs })
  expect(verdict).toBeRefused(inactive)

  const end = await site.ended(live, { withinMs: 2 * endsWithinMs })
  expect(end).toMatchObject({ code: 4401 })
  const boundMs = site.bound(endsWithinMs)
  expect(site.measured('a session of a retired key ends', end.at - rotatedAt, boundMs)).toBeLessThan(boundMs)
  // A key that is not known is asked for at most every 10 s.
  await accepted(site, credential.anew('peer-b-to-a'))
})

test.for(['ES384', 'EdDSA', 'PS256'])(
  'what is signed by a key for %s is accepted',
  async (alg, { site, credential }) => {
    await rotate(site, { mode: 'immediate', alg })
    const right = credential.anew('peer-b-to-a')
    await accepted(site, right)

    const ofNone = (token: string) => {
      const header = Buffer.from(JSON.stringify({ typ: 'at+jwt', alg: 'none', kid: 'none' })).toString('base64url')
      return `${header}.${token.split('.')[1]}.`
    }
    const unsigned = right.withToken(ofNone, 'unsigned')
    const refused = { status: 401, error: 'invalid_token', reason: 'alg_not_allowed', guard: 'token.form' }
    expect(await site.call('node-b', 'node-a', 'peering:connect', unsigned)).toBeRefused(refused)
  },
)

/** Answers when the last of the keys before is usable no more, in epoch ms. */
async function rotate(site: ScenarioSite, order: Record<string, unknown>): Promise<number> {
  const { status, json } = await site.operator('auth-a').post('/operator/v1/keys/rotate', order)
  expect(status).toBe(200)
  const { previous } = json as { previous: { until: number }[] }
  return Math.max(...previous.map(({ until }) => until)) * 1000
}

/** A session of the test's own; B itself stops dialling, so that nothing replaces it. */
async function liveSession(site: ScenarioSite, credential: Credential): Promise<Session> {
  expect(await site.operator('node-b').patch('/v1/peers/node-a', { enabled: false })).toMatchObject({ status: 200 })
  const { verdict, session } = await site.open('node-b', 'node-a', 'peering:connect', credential)
  expect(verdict).toBeAccepted()
  session.send({ type: 'open', version: 1, node: 'node-b', holdTimeMs: 90_000, session: randomUUID() })
  return session
}

async function accepted(site: ScenarioSite, credential: Credential): Promise<void> {
  const call = async () => {
    const verdict = await site.call('node-b', 'node-a', 'peering:connect', credential)
    return verdict.verdict === 'accepted' && verdict
  }
  expect(await site.until('the new token is accepted', call, { withinMs: 12_000, everyMs: 250 })).toBeAccepted()
}
