import { expect, scenario } from 'holdfast/vitest'

const test = scenario('shared-auth')
const misdirected = { status: 421, error: 'misdirected_request', reason: 'host_mismatch' }

test('the local API of a node', async ({ site, credential }) => {
  const own = credential('node-a')
  const bearer = ['Authorization', `Bearer ${await own.token()}`] as const

  for (const host of [site.node('node-b').host, 'localhost', '127.0.0.1']) {
    const headers = [['Host', host] as const, bearer]
    expect(await site.call('node-a', 'node-a', 'node:read', own, { headers })).toBeRefused({
      ...misdirected,
      guard: 'local.host',
    })
  }
})

test.for(['operator:list', 'operator:keys'])('%s of the auth server', async (action, { site, credential }) => {
  const operator = credential('operator')

  for (const host of [site.node('node-a').host, 'localhost']) {
    const headers = [['Host', host] as const]
    expect(await site.call('auth', 'auth', action, operator, { headers })).toBeRefused({
      ...misdirected,
      guard: 'request.host',
    })
  }
})
