import { expect, scenario } from '../harness/vitest.ts'

const test = scenario('../docs/guides/examples/one-gateway.json')

test('the gateway of the guide takes its token, and over its certificate only', async ({ site, credential }) => {
  const right = credential('gateway')
  expect(await site.call('gateway', 'gateway', 'node:read', right)).toBeAccepted()

  const stolen = right.over(credential('cert-auth'))
  expect(await site.call('auth', 'gateway', 'node:read', stolen)).toBeRefused({
    status: 401,
    error: 'invalid_token',
    reason: 'cnf_x5t_mismatch',
  })
}, 300_000)
