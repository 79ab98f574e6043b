import { expect, scenario } from 'holdfast/vitest'

const test = scenario('separate-auth')

test.for([
  ['DELETE', '/v1/peers/node-b'],
  ['PATCH', '/v1/peers/node-b'],
  ['POST', '/v1/peers'],
] as const)('the node itself may read, and not %s %s', async ([method, path], { site, credential }) => {
  const own = credential('node-a')

  expect(await site.call('node-a', 'node-a', 'node:read', own, { path })).toBeAccepted()
  expect(await site.call('node-a', 'node-a', 'node:read', own, { path, method })).toBeRefused({
    status: 403,
    error: 'insufficient_scope',
    reason: 'not_operator',
    guard: 'local.caller',
  })
})
