import { expect, scenario } from 'holdfast/vitest'
import { askAll } from '../asking.ts'
import { leaderOf, tokenOf } from '../cluster.ts'

const closed = scenario('bearer-cluster', { set: { edge: 'cache', readAccess: 'token' } })
const open = scenario('bearer-cluster', { set: { edge: 'cache' } })

const paths = ['/v1/auth', '/v1/status', '/v1/leader', '/v1/pipelines', '/v1/pipeline/runs']

closed('what was read with the token is read by nobody without it', async ({ site }) => {
  const token = await tokenOf(site)
  await leaderOf(site, ['orc-3']).catch(() => undefined)
  for (const path of paths) {
    const asked = { to: 'orc-3', through: 'edge', path } as const
    const tap = await site.tap('orc-3')
    const [first, second, third] = await askAll(site, [{ ...asked, token }, asked, { ...asked, token }])
    expect([first!.status, second!.status, third!.status], path).toEqual([200, 401, 200])
    // It reached the node, which said so: no answer is of the cache.
    expect(second!.headers['x-cache-status'], path).not.toBe('HIT')
    expect(third!.headers['x-cache-status'], path).not.toBe('HIT')
    const reasons = (await tap.decisions({ verdict: 'refused' })).map(({ reason }) => reason)
    expect(reasons, path).toContain('credential_missing_via_proxy')
  }
})

closed('a refusal is kept for nobody', async ({ site }) => {
  const token = await tokenOf(site)
  const asked = { to: 'orc-3', through: 'edge', path: '/v1/metrics' } as const
  const [first, second] = await askAll(site, [asked, { ...asked, token }])
  expect([first!.status, second!.status]).toEqual([401, 200])
})

open('what is open to everybody may be kept, and never for who has another header', async ({ site }) => {
  const token = await tokenOf(site)
  const asked = { to: 'orc-3', through: 'edge', path: '/v1/pipelines' } as const
  const [first, second, other] = await askAll(site, [asked, asked, { ...asked, token }])
  expect([first, second, other].map((one) => one!.status)).toEqual([200, 200, 200])
  // The control: it is a cache.
  expect([first!.headers['x-cache-status'], second!.headers['x-cache-status']]).toEqual(['MISS', 'HIT'])
  expect(other!.headers['x-cache-status']).not.toBe('HIT')
})
