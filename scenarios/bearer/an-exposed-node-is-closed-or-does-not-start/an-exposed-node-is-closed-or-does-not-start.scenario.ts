import { expect, scenario } from 'holdfast/vitest'
import { p2p } from '../cluster.ts'
import { newToken, refusedStart, served } from '../starting.ts'

const test = scenario('bearer-cluster')

const everywhere = { address: '0.0.0.0' }
const having = (token: string) => ({ env: { HOLDFAST_CLUSTER_AUTH_TOKEN: token } })

test('a wildcard in plain HTTP, with a token or without', async ({ site }) => {
  for (const more of [{}, having(newToken())]) {
    const { code, stderr, isOpen } = await refusedStart(site, { listen: { ...everywhere, tls: undefined }, ...more })
    expect([code, isOpen], stderr).toEqual([78, false])
    expect(stderr).toContain('plaintext_exposed')
  }
})

test('a wildcard with TLS and no token', async ({ site }) => {
  const { code, stderr, isOpen } = await refusedStart(site, { listen: everywhere })
  expect([code, isOpen], stderr).toEqual([78, false])
  expect(stderr).toContain('open_exposed')
})

test('a wildcard with TLS and a token serves', async ({ site }) => {
  const token = newToken()
  await served(site, { listen: everywhere, ...having(token) }, async ({ status }) => {
    expect([await status('/v1/auth', token), await status('/v1/auth')]).toEqual([200, 401])
  })
})

test('the command sends nothing in clear to where others can read it', async ({ site }) => {
  // RFC 5737: nobody has that address, so a command that dialled would wait.
  const began = performance.now()
  const { code, stderr } = await p2p(site, ['leader'], { url: 'http://203.0.113.10:8770' })
  expect(code, stderr).toBe(3)
  expect(stderr).toContain('nothing was sent')
  expect(
    site.measured('it is refused before it is dialled', performance.now() - began, site.bound(5_000)),
  ).toBeLessThan(site.bound(5_000))
})
