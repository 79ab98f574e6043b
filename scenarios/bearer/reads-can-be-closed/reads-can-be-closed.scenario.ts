import { expect, scenario } from 'holdfast/vitest'
import { askAll } from '../asking.ts'
import { orchestrators, tokenOf } from '../cluster.ts'

const closed = scenario('bearer-cluster', { set: { readAccess: 'token' } })
const open = scenario('bearer-cluster')

const reads = [
  '/v1/status',
  '/v1/leader',
  '/v1/pipelines',
  '/v1/metrics',
  '/v1/pipeline/runs',
  '/v1/pipeline/runs/none',
  '/v1/events',
]

closed('no read is answered without the token, and every one with it', async ({ site }) => {
  const token = await tokenOf(site)
  for (const to of orchestrators) {
    const asked = reads.map((path) => ({ to, path, forMs: 200 }))
    const without = await askAll(site, asked, { atOnce: 4 })
    expect(without.map(({ status }) => status)).toEqual(reads.map(() => 401))
    for (const { headers, body } of without) {
      expect(headers['www-authenticate']).toBe('Bearer realm="holdfast"')
      expect(JSON.parse(body)).toEqual({ error: 'unauthorized', request_id: expect.any(String) })
    }
    const [record] = await site.decisions(to, { conn: without[0]!.conn })
    expect(record).toMatchObject({ guard: 'bearer.access', reason: 'credential_missing' })

    const having = await askAll(
      site,
      asked.map((one) => ({ ...one, token })),
      { atOnce: 4 },
    )
    expect(having.map(({ status }) => status)).toEqual(reads.map((path) => (path.endsWith('/none') ? 404 : 200)))
    expect(having.map(({ headers }) => headers['cache-control'])).toEqual(reads.map(() => 'no-store'))
    const health = await askAll(
      site,
      ['/healthz', '/readyz'].map((path) => ({ to, path })),
    )
    expect(health.map(({ status }) => status)).toEqual([200, 200])
  }
})

closed('a wrong token reads nothing', async ({ site }) => {
  const token = await tokenOf(site)
  const replies = await askAll(
    site,
    reads.map((path) => ({ to: 'orc-1', path, token: token.split('').reverse().join('') })),
  )
  expect(replies.map(({ status, headers }) => [status, headers['www-authenticate']])).toEqual(
    reads.map(() => [401, 'Bearer realm="holdfast", error="invalid_token"']),
  )
})

open('open reads say that another caller could get another answer', async ({ site }) => {
  const replies = await askAll(
    site,
    ['/v1/status', '/v1/leader'].map((path) => ({ to: 'orc-1', path })),
  )
  expect(replies.map(({ status, headers }) => [status, headers.vary])).toEqual([
    [200, 'Authorization'],
    [200, 'Authorization'],
  ])
})
