import { expect, scenario } from 'holdfast/vitest'

const test = scenario('shared-auth', { own: true })

test("B's node token is no credential at A's local API, though it serves for peering there", async ({
  site,
  credential,
}) => {
  const own = credential('node-a')
  const peer = credential('node-b')
  const mismatch = { status: 401, error: 'invalid_token', reason: 'audience_mismatch', guard: 'token.audience' }

  expect(await site.call('node-b', 'node-a', 'peering:connect', peer)).toBeAccepted()
  expect(await site.call('node-b', 'node-a', 'node:read', own)).toBeAccepted()
  expect(await site.call('node-b', 'node-a', 'node:read', peer)).toBeRefused(mismatch)
  expect(await site.call('node-b', 'node-a', 'node:routes', own)).toBeAccepted()
  expect(await site.call('node-b', 'node-a', 'node:routes', peer)).toBeRefused(mismatch)
})

for (const action of ['operator:list', 'operator:keys', 'operator:clients', 'operator:revoke', 'operator:rotate']) {
  test(`${action} takes no token`, async ({ site, credential }) => {
    const operator = credential('operator')

    expect(await site.call('node-b', 'auth', action, operator)).toBeAccepted()
    expect(await site.call('node-b', 'auth', action, credential('node-b'))).toBeRefused({
      status: 403,
      error: 'insufficient_scope',
      reason: 'not_operator',
      guard: 'operator.caller',
    })
  })
}
