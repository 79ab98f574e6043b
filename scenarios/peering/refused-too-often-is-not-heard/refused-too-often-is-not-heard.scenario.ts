import { expect, scenario } from 'holdfast/vitest'

const most = 10
const test = scenario('separate-auth', {
  env: { 'node-a/orchestrator': { ORCHESTRATOR_PEERING_LIMITS_REFUSALS_PER_CERTIFICATE: String(most) } },
})

test('the certificate that was refused too often, and no other', async ({ site, credential }) => {
  const right = credential('peer-b-to-a')
  const attack = right.over(credential.anew('cert-node-b'))
  const mismatch = { status: 401, error: 'invalid_token', reason: 'cnf_x5t_mismatch' }

  for (let count = 0; count < most; count += 1) {
    expect(await site.call('node-b', 'node-a', 'peering:connect', attack)).toBeRefused(mismatch)
  }

  expect(await site.call('node-b', 'node-a', 'peering:connect', attack)).toBeRefused({
    status: 429,
    error: 'rate_limited',
    reason: 'rate_limited',
    guard: 'peer.rate',
  })
  expect(await site.call('node-b', 'node-a', 'peering:connect', right)).toBeAccepted()
})
