import { expect, scenario } from 'holdfast/vitest'
import { p2p, pidOf, type Run, tokenOf } from '../cluster.ts'
import { newToken, on, served } from '../starting.ts'

const test = scenario('bearer-cluster')

/** What the kernel shows of a process. */
const shows = (site: Parameters<typeof on>[0], pid: string) =>
  on(site, 'sh', '-c', 'cat "/proc/$0/cmdline" "/proc/$0/environ"', pid)

test('of a node with a file, and of the stages that it runs', async ({ site }) => {
  const token = await tokenOf(site)
  const seen = await shows(site, pidOf(site, 'orc-1'))
  expect(seen).toContain('HOLDFAST_CLUSTER_AUTH_TOKEN_FILE')
  expect(seen).not.toContain(token.slice(0, 16))

  const began = p2p<Run>(site, ['pipeline', 'run', 'canonical_selfplay', '--param', 'games=1000', '--wait'])
  const children: string[] = []
  const below = 'for one in $(pgrep -P "$0"); do cat "/proc/$one/cmdline" "/proc/$one/environ" 2>/dev/null; done; true'
  let isOver = false
  void began.finally(() => {
    isOver = true
  })
  while (!isOver)
    for (const name of ['orc-1', 'orc-2', 'orc-3']) {
      const { stdout } = await site.node(name).exec(['sh', '-c', below, pidOf(site, name)])
      if (stdout !== '') children.push(stdout)
    }
  expect((await began).code).toBe(0)
  expect(children.join()).toContain('HOLDFAST_STAGE')
  expect(children.join()).not.toContain(token.slice(0, 16))
  expect(children.join()).not.toContain('HOLDFAST_CLUSTER_AUTH_TOKEN')
})

test('a flag and a variable are seen, of which the node warns', async ({ site }) => {
  const token = newToken()
  const byFlag = await served(site, { args: ['--auth-token', token] }, async ({ pid }) => {
    expect(await shows(site, pid)).toContain(token)
  })
  expect(byFlag).toMatch(/cmdline/)
  expect(byFlag).toContain('HOLDFAST_CLUSTER_AUTH_TOKEN_FILE')
  const byVariable = await served(site, { env: { HOLDFAST_CLUSTER_AUTH_TOKEN: token } }, async ({ pid }) => {
    expect(await on(site, 'sh', '-c', 'cat "/proc/$0/cmdline"', pid)).not.toContain(token)
  })
  expect(byVariable).toMatch(/environ/)
  for (const printed of [byFlag, byVariable]) expect(printed).not.toContain(token.slice(0, 12))
})
