import { expect, scenario } from 'holdfast/vitest'
import { type Asking, ask } from '../asking.ts'
import { leaderOf, orchestrators, statusOf, tokenOf, unit } from '../cluster.ts'

const leaseMs = 3_000
const test = scenario('bearer-cluster', { set: { leaseMs }, own: true, waits: true })

async function run(site: Parameters<typeof tokenOf>[0], to: string, key: string) {
  const asked: Asking = {
    ...{ to, method: 'POST', path: '/v1/pipeline/run', token: await tokenOf(site) },
    ...{ json: { pipeline: 'canonical_selfplay', params: { games: 2 } }, headers: [['Idempotency-Key', key]] },
  }
  const { status, headers, body } = await ask(site, asked)
  return { status, headers, json: JSON.parse(body) as Record<string, string> }
}

test('a follower answers as the leader does, and says who did it', async ({ site }) => {
  const leader = await leaderOf(site)
  const key = `of-a-follower-${crypto.randomUUID()}`
  const [first, ...others] = orchestrators.filter((node) => node !== leader)
  const begun = await run(site, first!, key)
  expect(begun.status).toBe(202)
  expect(begun.headers['holdfast-proxied-to']).toBe(leader)
  expect(begun.json.leader).toBe(leader)
  for (const node of [leader, ...others]) {
    const again = await run(site, node, key)
    expect([again.status, again.json.runId]).toEqual([200, begun.json.runId])
    expect(again.headers['holdfast-proxied-to']).toBe(node === leader ? undefined : leader)
  }
})

test('a call that was handed on once is not handed on again', async ({ site }) => {
  const leader = await leaderOf(site)
  const follower = orchestrators.find((node) => node !== leader)!
  const { status, headers } = await ask(site, {
    ...{ to: follower, method: 'POST', path: '/v1/pipeline/run', token: await tokenOf(site) },
    ...{ json: { pipeline: 'canonical_selfplay', params: {} } },
    headers: [
      ['Idempotency-Key', crypto.randomUUID()],
      ['Holdfast-Proxied-By', 'orc-9'],
    ],
  })
  expect([status, headers['retry-after']]).toEqual([503, '1'])
})

test('with the leader gone it is refused until there is another one', async ({ site }) => {
  const leader = await leaderOf(site)
  const rest = orchestrators.filter((node) => node !== leader)
  await site.node(leader).kill(unit)
  const key = `after-a-kill-${crypto.randomUUID()}`
  const early = await run(site, rest[0]!, key)
  expect([202, 502, 503]).toContain(early.status)
  const began = performance.now()
  await site.until(
    'another one accepts it',
    async () => [200, 202].includes((await run(site, rest[0]!, key)).status ?? 0),
    { withinMs: 30_000 },
  )
  site.measured('another leader accepts a run', performance.now() - began, site.bound(3 * leaseMs))

  // Without a majority there is none.
  const [one, other] = rest as [string, string]
  await site.node(other).kill(unit)
  const isAlone = async () => (await statusOf(site, one)).leader === null
  await site.until('the one that is left knows no leader', isAlone, { withinMs: 20_000 })
  const alone = await run(site, one, `without-a-majority-${crypto.randomUUID()}`)
  expect([alone.status, alone.json.error]).toEqual([503, expect.stringMatching(/leader_unknown|no_quorum/)])
  for (const node of [leader, other]) await site.node(node).start(unit)
  await leaderOf(site)
  expect((await run(site, one, key)).status).toBe(200)
})
