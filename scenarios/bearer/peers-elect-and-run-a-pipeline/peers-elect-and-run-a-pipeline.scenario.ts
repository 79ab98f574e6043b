import { expect, scenario } from 'holdfast/vitest'
import { leaderOf, orchestrators, p2p, type Run } from '../cluster.ts'

const test = scenario('bearer-cluster')

test('a run that is begun at any node succeeds, under the one leader that all of them name', async ({ site }) => {
  const leader = await leaderOf(site)
  const run = ['pipeline', '--backend', 'p2p', 'run', 'canonical_selfplay', '--param', 'games=20', '--wait']
  const digests: unknown[] = []
  for (const at of orchestrators) {
    const { code, stderr, json } = await p2p<Run>(site, run, { at })
    expect(code, stderr).toBe(0)
    expect(json.state).toBe('succeeded')
    expect(json.stages.map(({ name, state }) => `${name} ${state}`)).toEqual([
      'selfplay succeeded',
      'train succeeded',
      'evaluate succeeded',
    ])
    const output = await p2p<{ outputs: unknown }>(site, ['pipeline', 'output', json.runId], { at })
    expect(output.code).toBe(0)
    digests.push(output.json.outputs)
  }
  expect(digests[1]).toEqual(digests[0])
  expect(digests[2]).toEqual(digests[0])
  expect(await leaderOf(site)).toBe(leader)
})

test('all of them tell the same of runs and of each other', async ({ site }) => {
  await leaderOf(site)
  const begun = await p2p<Run>(site, ['pipeline', 'run', 'canonical_selfplay', '--wait'], { at: 'orc-2' })
  expect(begun.code, begun.stderr).toBe(0)
  for (const at of orchestrators) {
    const { code, json, stderr } = await p2p<Run[]>(site, ['pipeline', 'list'], { at })
    expect(code, stderr).toBe(0)
    expect(json.map(({ runId, state }) => `${runId} ${state}`)).toContain(`${begun.json.runId} succeeded`)
  }
  const nodes = await p2p<{ refusals: unknown[] }>(site, ['nodes'])
  expect(nodes.code, nodes.stderr).toBe(0)
  expect(nodes.json.refusals).toEqual([])
})

test('any other backend than p2p is a mistake of whoever types it', async ({ site }) => {
  const { code } = await p2p(site, ['pipeline', '--backend', 'slurm', 'list'])
  expect(code).toBe(2)
})
