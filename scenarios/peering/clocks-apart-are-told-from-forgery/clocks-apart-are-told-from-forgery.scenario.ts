import { expect, type ScenarioSite, scenario } from 'holdfast/vitest'

const test = scenario('separate-auth', { clock: 'movable', set: { certificateLifetime: '4h', tokenLifetime: '4m' } })
const fiveMinutes = 300
const apart = (reason: string) => ({ status: 401, error: 'invalid_token', reason, guard: 'token.time' })

test('the auth server is ahead: what it mints was issued in the future', async ({ site, credential }) => {
  expect(await site.call('node-b', 'node-a', 'peering:connect', credential('peer-b-to-a'))).toBeAccepted()

  await whileApart(site, 'auth-a', fiveMinutes, async () => {
    const minted = credential.anew('peer-b-to-a')
    expect(await site.call('node-b', 'node-a', 'peering:connect', minted)).toBeRefused(apart('token_iat_future'))
  })
  expect(await site.call('node-b', 'node-a', 'peering:connect', credential.anew('peer-b-to-a'))).toBeAccepted()
})

test('the node that judges is ahead: what was minted just now has expired', async ({ site, credential }) => {
  expect(await site.call('node-b', 'node-a', 'peering:connect', credential('peer-b-to-a'))).toBeAccepted()

  await whileApart(site, 'node-a', fiveMinutes, async () => {
    const minted = credential.anew('peer-b-to-a')
    expect(await site.call('node-b', 'node-a', 'peering:connect', minted)).toBeRefused(apart('token_expired'))
  })
  expect(await site.call('node-b', 'node-a', 'peering:connect', credential.anew('peer-b-to-a'))).toBeAccepted()
})

test('the node that judges is behind: a certificate of just now is not yet valid', async ({ site, credential }) => {
  // So that at the node's own time the certificates of the site are valid, and only what is made now is not.
  await site.clock().shift(2 * fiveMinutes)
  const before = credential('peer-b-to-a')
  expect(await site.call('node-b', 'node-a', 'peering:connect', before)).toBeAccepted()

  await whileApart(site, 'node-a', -fiveMinutes, async () => {
    const certified = before.over(credential.anew('cert-node-b'))
    expect(await site.call('node-b', 'node-a', 'peering:connect', certified)).toBeRefused({
      layer: 'tls',
      reason: 'cert_not_yet_valid',
      guard: 'peer.tls',
    })
  })
})

/** Moves one node away from the others, for as long as `work` takes. */
async function whileApart(site: ScenarioSite, node: string, seconds: number, work: () => Promise<void>): Promise<void> {
  await site.clock(node).shift(seconds)
  try {
    await work()
  } finally {
    await site.clock(node).shift(-seconds)
  }
}
