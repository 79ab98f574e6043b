import { expect, scenario } from 'holdfast/vitest'

const test = scenario('separate-auth')

test('another path', async ({ site, credential }) => {
  const right = credential('peer-b-to-a')

  expect(await site.call('node-b', 'node-a', 'peering:connect', right)).toBeAccepted()
  for (const path of ['/', '/v1/peering/', '/v1/Peering', '/v1/state']) {
    expect(await site.call('node-b', 'node-a', 'peering:connect', right, { path })).toBeRefused({
      status: 404,
      error: 'not_found',
      reason: 'upgrade_invalid',
      guard: 'peer.upgrade',
    })
  }
})

test('another host', async ({ site, credential }) => {
  const right = credential('peer-b-to-a')
  const bearer = ['Authorization', `Bearer ${await right.token()}`] as const

  for (const host of [site.node('node-b').host, 'localhost', `${site.node('node-a').host}:1`]) {
    const headers = [['Host', host] as const, bearer]
    expect(await site.call('node-b', 'node-a', 'peering:connect', right, { headers })).toBeRefused({
      status: 421,
      error: 'misdirected_request',
      reason: 'host_mismatch',
      guard: 'peer.upgrade',
    })
  }
})
