import { expect, scenario } from 'holdfast/vitest'
import { leaderOf, p2p, type Run, statusOf, tokenOf } from '../cluster.ts'
import { replaceToken } from '../rolling.ts'
import { newToken } from '../starting.ts'

const test = scenario('bearer-cluster', { set: { leaseMs: 3_000 }, own: true, waits: true })

test('the one with another token is named from both sides, and the rest goes on', async ({ site }) => {
  await leaderOf(site)
  const own = await tokenOf(site)
  await replaceToken(site, 'orc-2', newToken())
  await site.node('orc-2').signal('SIGHUP', 'orchestrator')

  const authOf = async (at: string, of: string) =>
    (await statusOf(site, at)).peers.find(({ id }) => id === of)?.peerAuth
  await site.until('orc-2 knows that it is refused', async () => (await authOf('orc-2', 'orc-1')) === 'refused_us', {
    withinMs: 30_000,
  })
  await site.until('orc-1 knows it, too', async () => (await authOf('orc-1', 'orc-2')) === 'refused_us', {
    withinMs: 30_000,
  })

  const nodes = await p2p<{ refusals: { by: string; of: string }[] }>(site, ['nodes'])
  expect(nodes.code).toBe(3)
  expect(nodes.json.refusals.some(({ by, of }) => [by, of].includes('orc-2'))).toBe(true)
  const check = await p2p(site, ['token', 'check'])
  expect(check.code).toBe(3)

  await leaderOf(site, ['orc-1', 'orc-3'])
  const run = await p2p<Run>(site, ['pipeline', 'run', 'canonical_selfplay', '--wait'], { at: 'orc-1' })
  expect(run.code, run.stderr).toBe(0)

  await replaceToken(site, 'orc-2', own)
  await site.node('orc-2').signal('SIGHUP', 'orchestrator')
  const isWhole = async () => (await p2p(site, ['nodes'])).code === 0
  await site.until('nobody refuses anybody', isWhole, { withinMs: 60_000, everyMs: 500 })
})
