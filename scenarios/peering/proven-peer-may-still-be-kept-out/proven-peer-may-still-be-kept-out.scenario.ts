import { expect, scenario } from 'holdfast/vitest'

const test = scenario('separate-auth', {
  env: { 'node-a/orchestrator': { ORCHESTRATOR_PEERING_LIMITS_SESSIONS: '1' } },
})

test('one session too many', async ({ site, credential }) => {
  await site.operator('node-b').patch('/v1/peers/node-a', { enabled: false })
  const right = credential('peer-b-to-a')
  const opened = () => site.open('node-b', 'node-a', 'peering:connect', right).catch(() => undefined)
  const { verdict, session } = await site.until('the only session is free', opened, { withinMs: 5_000 })
  expect(verdict).toBeAccepted()

  expect(await site.call('node-b', 'node-a', 'peering:connect', right)).toBeRefused({
    status: 503,
    error: 'temporarily_unavailable',
    reason: 'session_limit',
    guard: 'peer.admit',
  })
  await session.close()
})

test('a peer that the operator disabled', async ({ site, credential }) => {
  await site.operator('node-b').patch('/v1/peers/node-a', { enabled: false })
  const right = credential('peer-b-to-a')
  const accepted = async () => {
    const verdict = await site.call('node-b', 'node-a', 'peering:connect', right)
    return verdict.verdict === 'accepted' && verdict
  }
  expect(await site.until('the peer gets in', accepted, { withinMs: 5_000 })).toBeAccepted()

  const operator = site.operator('node-a')
  expect(await operator.patch('/v1/peers/node-b', { enabled: false })).toMatchObject({ status: 200 })

  expect(await site.call('node-b', 'node-a', 'peering:connect', right)).toBeRefused({
    status: 403,
    error: 'forbidden',
    reason: 'peer_disabled',
    guard: 'peer.admit',
  })
  expect(await operator.patch('/v1/peers/node-b', { enabled: true })).toMatchObject({ status: 200 })
})
