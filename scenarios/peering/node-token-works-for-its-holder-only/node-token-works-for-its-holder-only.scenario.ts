import { expect, scenario } from 'holdfast/vitest'

const test = scenario('shared-auth', { set: { nodes: 3 } })
const mismatch = { status: 401, error: 'invalid_token', reason: 'cnf_x5t_mismatch', guard: 'token.binding' }

test("A cannot use B's token over its own certificate", async ({ site, credential }) => {
  const stolen = credential('node-b').over(credential('cert-node-a'))

  expect(await site.call('node-b', 'node-a', 'peering:connect', stolen)).toBeRefused(mismatch)
})

test("a third node cannot use B's token over its own certificate", async ({ site, credential }) => {
  const stolen = credential('node-b').over(credential('cert-node-c'))

  expect(await site.call('node-b', 'node-a', 'peering:connect', stolen)).toBeRefused(mismatch)
})

test("B's token does not go along to another certificate of B", async ({ site, credential }) => {
  const renewed = credential('node-b').over(credential.anew('cert-node-b'))

  expect(await site.call('node-b', 'node-a', 'peering:connect', renewed)).toBeRefused(mismatch)
})

test('nobody gets in without a certificate', async ({ site, credential }) => {
  const bare = credential('node-b').withoutCertificate()

  expect(await site.call('node-b', 'node-a', 'peering:connect', bare)).toBeRefused({
    layer: 'tls',
    reason: 'cert_missing',
    guard: 'peer.tls',
  })
})
