import { randomUUID } from 'node:crypto'
import { type Credential, expect, type ScenarioSite, type Session, scenario } from 'holdfast/vitest'

const test = scenario('separate-auth')
const inactive = { status: 401, error: 'invalid_token', reason: 'token_inactive', guard: 'token.active' }
const endsWithinMs = 7_000

test('with grace: both are accepted, then the old one is refused', async ({ site, credential }) => {
  const old = credential('peer-b-to-a')
  const live = await liveSession(site, old)

  const rotatedAt = performance.now()
  await rotate(site, { mode: 'grace', graceSeconds: 8 })
  await accepted(site, credential.anew('peer-b-to-a'))
  expect(await site.call('node-b', 'node-a', 'peering:connect', old)).toBeAccepted()

  const overMs = 8_000 - (performance.now() - rotatedAt)
  const verdict = await refused(site, old, overMs + 3_000)
  expect(verdict).toBeRefused(inactive)
  expect(await site.ended(live, { withinMs: overMs + 2 * endsWithinMs })).toMatchObject({ code: 4401 })
  // Grace ends on a whole second.
  const tookMs = performance.now() - rotatedAt - 8_000
  expect(site.measured('a session ends when the grace of its key is over', tookMs, endsWithinMs + 1_000)).toBeLessThan(
    endsWithinMs + 1_000,
  )
})

test('without grace: the old one is refused at once', async ({ site, credential }) => {
  const old = credential('peer-b-to-a')
  const live = await liveSession(site, old)

  const rotatedAt = performance.now()
  await rotate(site, { mode: 'immediate' })
  const verdict = await refused(site, old, 3_000)
  const refusedMs = performance.now() - rotatedAt
  expect(verdict).toBeRefused(inactive)
  expect(site.measured('a token of a retired key is refused', refusedMs, 3_000)).toBeLessThan(3_000)

  expect(await site.ended(live, { withinMs: endsWithinMs })).toMatchObject({ code: 4401 })
  const tookMs = performance.now() - rotatedAt
  expect(site.measured('a session of a retired key ends', tookMs, endsWithinMs)).toBeLessThan(endsWithinMs)
  // A key that is not known is asked for at most every 10 s.
  await accepted(site, credential.anew('peer-b-to-a'))
})

async function rotate(site: ScenarioSite, order: Record<string, unknown>): Promise<void> {
  expect(await site.operator('auth-a').post('/operator/v1/keys/rotate', order)).toMatchObject({ status: 200 })
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

function refused(site: ScenarioSite, credential: Credential, withinMs: number) {
  const call = async () => {
    const verdict = await site.call('node-b', 'node-a', 'peering:connect', credential)
    return verdict.verdict === 'refused' && verdict
  }
  return site.until('the old token is refused', call, { withinMs, everyMs: 100 })
}
