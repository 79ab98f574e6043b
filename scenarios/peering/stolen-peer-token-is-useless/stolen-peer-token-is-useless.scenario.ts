import { expect, scenario, spoiled } from 'holdfast/vitest'

const test = scenario('separate-auth', { set: { orgs: 3 } })

test('another organisation, whose CA is trusted, cannot replay it', async ({ site, credential }) => {
  const stolen = credential('peer-b-to-a').over(credential('cert-node-c'))

  expect(await site.call('node-b', 'node-a', 'peering:connect', stolen)).toBeRefused({
    status: 401,
    error: 'invalid_token',
    reason: 'cnf_x5t_mismatch',
    guard: 'token.binding',
  })
})

test('a certificate of an unknown CA with the same names does not even reach the token', async ({
  site,
  credential,
}) => {
  const host = site.node('node-b').host
  const authority = await site.authority('ca-b')
  const stolen = credential('peer-b-to-a').withCertificate(() =>
    spoiled.otherCa({ authority, subject: host, sans: [host] }),
  )

  expect(await site.call('node-b', 'node-a', 'peering:connect', stolen)).toBeRefused({
    layer: 'tls',
    reason: 'cert_untrusted',
    guard: 'peer.tls',
  })
})

test('a token for one node is refused by another node of another organisation', async ({ site, credential }) => {
  const right = credential('peer-b-to-c')
  const elsewhere = credential('peer-b-to-a')

  expect(await site.call('node-b', 'node-c', 'peering:connect', right)).toBeAccepted()
  expect(await site.call('node-b', 'node-c', 'peering:connect', elsewhere)).toBeRefused({
    status: 401,
    error: 'invalid_token',
    reason: 'issuer_untrusted',
    guard: 'token.issuer',
  })
})
