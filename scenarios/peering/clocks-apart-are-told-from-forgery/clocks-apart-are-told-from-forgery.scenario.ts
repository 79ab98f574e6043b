import { expect, scenario } from 'holdfast/vitest'

const test = scenario('separate-auth', { clock: 'movable', set: { certificateLifetime: '4h', tokenLifetime: '4m' } })
const fiveMinutes = 300
const apart = (reason: string) => ({ status: 401, error: 'invalid_token', reason, guard: 'token.time' })

test('the auth server is ahead: what it mints was issued in the future', async ({ site, credential }) => {
  const before = credential('peer-b-to-a')
  expect(await site.call('node-b', 'node-a', 'peering:connect', before)).toBeAccepted()

  await site.clock('auth-a').shift(fiveMinutes)
  const minted = credential.anew('peer-b-to-a')
  expect(await site.call('node-b', 'node-a', 'peering:connect', minted)).toBeRefused(apart('token_iat_future'))

  await site.clock('auth-a').shift(-fiveMinutes)
  const after = credential.anew('peer-b-to-a')
  expect(await site.call('node-b', 'node-a', 'peering:connect', after)).toBeAccepted()
})

test('the node that judges is ahead: what was minted just now has expired', async ({ site, credential }) => {
  const token = credential('peer-b-to-a')
  expect(await site.call('node-b', 'node-a', 'peering:connect', token)).toBeAccepted()

  await site.clock('node-a').shift(fiveMinutes)
  const minted = credential.anew('peer-b-to-a')
  expect(await site.call('node-b', 'node-a', 'peering:connect', minted)).toBeRefused(apart('token_expired'))

  await site.clock('node-a').shift(-fiveMinutes)
  expect(await site.call('node-b', 'node-a', 'peering:connect', credential.anew('peer-b-to-a'))).toBeAccepted()
})

test('the node that judges is behind: a certificate of just now is not yet valid', async ({ site, credential }) => {
  // So that at the node's own time the certificates of the site are valid, and only what is made now is not.
  await site.clock().shift(2 * fiveMinutes)
  const before = credential('peer-b-to-a')
  expect(await site.call('node-b', 'node-a', 'peering:connect', before)).toBeAccepted()

  await site.clock('node-a').shift(-fiveMinutes)
  const certified = before.over(credential.anew('cert-node-b'))
  expect(await site.call('node-b', 'node-a', 'peering:connect', certified)).toBeRefused({
    layer: 'tls',
    reason: 'cert_not_yet_valid',
    guard: 'peer.tls',
  })
})
