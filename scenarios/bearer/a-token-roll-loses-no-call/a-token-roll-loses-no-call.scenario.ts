import { expect, type ScenarioSite, scenario } from 'holdfast/vitest'
import { type Asking, askAll } from '../asking.ts'
import { leaderOf, orchestrators, p2p, tokenOf } from '../cluster.ts'
import { beginRoll, roll } from '../rolling.ts'
import { newToken } from '../starting.ts'

const test = scenario('bearer-cluster', { own: true, waits: true })

/** Everywhere, and through nginx. */
const asked = (token: string): Asking[] => [
  ...orchestrators.map((to) => ({ to, path: '/v1/auth', token })),
  { to: 'orc-3', through: 'edge', path: '/v1/auth', token },
]

const statuses = async (site: ScenarioSite, token: string) =>
  (await askAll(site, asked(token), { atOnce: 4 })).map(({ status }) => status)
const all = (status: number) => asked('').map(() => status)

/** Calls with tokens that are accepted, until it is told to end; answers how many there were, and those that were refused. */
function load(site: ScenarioSite, tokens: () => readonly string[]) {
  let isOver = false
  const done = (async () => {
    const refused: string[] = []
    let calls = 0
    while (!isOver) {
      for (const [at, token] of tokens().entries()) {
        const answers = await statuses(site, token)
        calls += answers.length
        for (const [place, status] of answers.entries())
          if (status !== 200) refused.push(`token ${at} at ${place}: ${status}`)
      }
    }
    return { calls, refused }
  })()
  return {
    async end() {
      isOver = true
      return done
    },
  }
}

test('no call is lost in a roll, and the old one is refused everywhere within the bound of its end', async ({
  site,
}) => {
  await leaderOf(site)
  const [old, next] = [await tokenOf(site), newToken()]
  let accepted: readonly string[] = [old]
  const calls = load(site, () => accepted)
  const check = async () =>
    (
      await p2p<{ step: string }>(
        site,
        ['token', 'check', '--new-token-file', `${site.node('orc-1').dir}/etc/holdfast/next.token`],
        { on: 'orc-1' },
      )
    ).json

  for (const node of orchestrators) await beginRoll(site, node, next)
  await site.until(
    'all accept the new one',
    async () => (await statuses(site, next)).every((status) => status === 200),
    { withinMs: 10_000 },
  )
  expect((await check()).step).toBe('switch')
  accepted = [old, next]
  for (const node of orchestrators) await roll(site, node, 'switch')
  await site.until('all send the new one', async () => (await check()).step === 'end', { withinMs: 20_000 })
  accepted = [next]
  for (const node of orchestrators) await roll(site, node, 'end')
  const began = performance.now()
  await site.until(
    'all refuse the old one',
    async () => (await statuses(site, old)).every((status) => status === 401),
    { withinMs: 10_000 },
  )
  site.measured('the old one is refused everywhere', performance.now() - began, site.bound(5_000))

  const { calls: count, refused } = await calls.end()
  expect(refused).toEqual([])
  expect(count).toBeGreaterThan(20)
  expect(await statuses(site, next)).toEqual(all(200))
  await leaderOf(site)
  const reasons = await Promise.all(orchestrators.map((node) => site.decisions(node, { reason: 'token_ended' })))
  expect(reasons.every((records) => records.length > 0)).toBe(true)
})
