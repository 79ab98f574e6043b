import { randomUUID } from 'node:crypto'
import { type Credential, describe, expect, type ScenarioSite, scenario } from 'holdfast/vitest'

const asking = (['both', 'introspection'] as const).map(
  (validation) => [validation, scenario('separate-auth', { own: true, waits: true, set: { validation } })] as const,
)
const byKeys = scenario('separate-auth', { own: true, set: { validation: 'jwks' } })
const unavailable = { status: 503, error: 'temporarily_unavailable', reason: 'auth_unavailable', guard: 'token.active' }

describe.for(asking)('mode %s', ([mode, test]) => {
  test('new calls are refused in time, live sessions end, all comes back by itself', async ({ site, credential }) => {
    const right = credential('peer-b-to-a')
    const { verdict, session } = await live(site, right)
    expect(verdict).toBeAccepted()
    const stoppedAt = performance.now()
    await site.node('auth-a').stop('auth')

    // An answer that is at hand is good for a second.
    const refusal = async () => {
      const verdict = await site.call('node-b', 'node-a', 'peering:connect', right, { waitMs: 3_000 })
      return verdict.verdict === 'refused' && verdict
    }
    const refused = await site.until('the token is refused', refusal, { withinMs: 5_000 })
    expect(refused).toBeRefused(unavailable)
    const [callMs, sessionMs] = [site.bound(2_500), site.bound(30_000)]
    expect(site.measured('without auth server a call is refused', refused.ms, callMs)).toBeLessThan(callMs)
    if (mode === 'introspection') await notReady(site, 'auth_unavailable')

    expect(await site.ended(session, { withinMs: 40_000 })).toMatchObject({ code: 4503 })
    const tookMs = performance.now() - stoppedAt
    expect(site.measured('a live session ends without auth server', tookMs, sessionMs)).toBeLessThan(sessionMs)
    const ends = await site.decisions('node-a', { conn: verdict.conn, layer: 'session' })
    expect(ends).toMatchObject([{ guard: 'live.recheck', reason: 'auth_unavailable' }])

    await site.node('auth-a').start('auth')
    await accepted(site, right)
  })
})

byKeys('known keys serve on; a node that knows none admits nobody', async ({ site, credential }) => {
  const right = credential('peer-b-to-a')
  expect(await site.call('node-b', 'node-a', 'peering:connect', right)).toBeAccepted()
  await site.node('auth-a').stop('auth')
  expect(await site.call('node-b', 'node-a', 'peering:connect', right)).toBeAccepted()

  await site.node('node-a').stop('orchestrator')
  const started = site.node('node-a').start('orchestrator')
  await notReady(site, 'auth_unavailable')
  expect(await site.call('node-b', 'node-a', 'peering:connect', right, { waitMs: 3_000 })).toBeRefused({
    status: 503,
    error: 'temporarily_unavailable',
    reason: 'jwks_unavailable',
    guard: 'token.signature',
  })

  await site.node('auth-a').start('auth')
  await started
  await accepted(site, right)
})

/** A session of the test's own; B itself stops dialling, so that nothing replaces it. */
async function live(site: ScenarioSite, credential: Credential) {
  expect(await site.operator('node-b').patch('/v1/peers/node-a', { enabled: false })).toMatchObject({ status: 200 })
  const opened = await site.open('node-b', 'node-a', 'peering:connect', credential)
  opened.session.send({ type: 'open', version: 1, node: 'node-b', holdTimeMs: 90_000, session: randomUUID() })
  return opened
}

async function notReady(site: ScenarioSite, reason: string): Promise<void> {
  const ready = async () => {
    const { status, json } = await site.operator('node-a').get('/readyz')
    return status === 503 && (json as { reason: string }).reason === reason
  }
  await site.until(`node-a is not ready: ${reason}`, ready, { withinMs: 15_000 })
}

async function accepted(site: ScenarioSite, credential: Credential): Promise<void> {
  const call = async () => {
    const verdict = await site.call('node-b', 'node-a', 'peering:connect', credential)
    return verdict.verdict === 'accepted' && verdict
  }
  expect(await site.until('the token is accepted again', call, { withinMs: 15_000, everyMs: 250 })).toBeAccepted()
}
