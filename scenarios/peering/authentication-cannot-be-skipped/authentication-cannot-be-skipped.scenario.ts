import { expect, scenario } from 'holdfast/vitest'

const switches = {
  CATALYST_SKIP_AUTH: 'true',
  SKIP_AUTH: '1',
  NO_AUTH: 'yes',
  INSECURE: 'on',
  ORCHESTRATOR_SKIP_AUTH: 'true',
}
const test = scenario('separate-auth', { env: { 'node-a': switches, 'auth-a': { CATALYST_SKIP_AUTH: 'true' } } })
const missing = { status: 401, reason: 'token_missing', guard: 'peer.carrier' }

test('peering demands a token all the same', async ({ site, credential }) => {
  const bare = credential('peer-b-to-a').withoutToken()

  expect(await site.call('node-b', 'node-a', 'peering:connect', bare)).toBeRefused(missing)
})

test('so does the local API', async ({ site, credential }) => {
  const bare = credential('node-a').withoutToken()

  expect(await site.call('node-a', 'node-a', 'node:read', bare)).toBeRefused(missing)
  expect(await site.call('node-a', 'node-a', 'node:routes', bare)).toBeRefused(missing)
})

test('the auth server still demands an operator', async ({ site, credential }) => {
  const other = credential('operator-a').over(credential('cert-node-a'))

  expect(await site.call('auth-a', 'auth-a', 'operator:list', other)).toBeRefused({
    status: 403,
    error: 'access_denied',
    reason: 'not_operator',
    guard: 'operator.caller',
  })
})

test('the start says by name what it ignored', async ({ site }) => {
  const logs = site.node('node-a').logs().join('\n')

  for (const name of Object.keys(switches)) expect(logs).toMatch(new RegExp(`variable-ignored.*"${name}"`))
})
