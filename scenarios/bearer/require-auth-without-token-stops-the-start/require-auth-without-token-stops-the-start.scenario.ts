import { expect, scenario } from 'holdfast/vitest'
import { newToken, refusedStart, served } from '../starting.ts'

const test = scenario('bearer-cluster')

const sentence =
  '--require-auth is set, but no token was given by --auth-token, HOLDFAST_CLUSTER_AUTH_TOKEN or HOLDFAST_CLUSTER_AUTH_TOKEN_FILE'

test.for([
  ['by flag', { args: ['--require-auth'] }],
  ['by configuration', { config: { auth: { require: true } } }],
] as const)('%s', async ([, started], { site }) => {
  const { code, stderr, ms, isOpen } = await refusedStart(site, started)
  expect(code, stderr).toBe(78)
  expect(stderr).toContain(sentence)
  expect(stderr.trim().split('\n')).toHaveLength(1)
  expect(isOpen).toBe(false)
  expect(site.measured('the start is refused', ms, site.bound(5_000))).toBeLessThan(site.bound(5_000))

  const token = newToken()
  await served(site, { ...started, env: { HOLDFAST_CLUSTER_AUTH_TOKEN: token } }, async ({ status }) => {
    expect([await status('/v1/auth', token), await status('/v1/auth')]).toEqual([200, 401])
  })
})
