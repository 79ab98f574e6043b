import { expect, test } from 'vitest'
import { oneshot } from '../backends/fixtures/plans.ts'
import type { Program } from '../topology/plan.ts'
import { commandOf } from './command.ts'
import { contextOf, type NodeContext } from './node-context.ts'

/** What of a command leads Node to the hosts of the plan, on a node with the hosts that every program looks at, or without. */
async function ledBy(program: Program, ownHosts: boolean | undefined): Promise<string[]> {
  const unit = oneshot('unit', [], [])
  const settings = { run: 'run', environment: {}, extra: {}, hostsFiles: { node: '/run/hosts' }, ownHosts, tools: {} }
  const node = { dir: '/node', node: { name: 'node', units: [unit] }, settings } as unknown as NodeContext
  const { argv, env } = await commandOf(contextOf(node, unit), { program, args: [] })
  const all = [...argv, ...Object.entries(env).map(([name, text]) => `${name}=${text}`)]
  return all.filter((one) => /hosts|import/i.test(one)).map((one) => one.replace(/file:.*\//, ''))
}

test.each<[string, Program, string[]]>([
  ['a script', { script: 'a.js' }, ['--import', 'hosts-preload.mjs']],
  ['a service', { service: 'auth-server' }, ['--import', 'hosts-preload.mjs']],
  ['node', { path: 'node' }, ['--import', 'hosts-preload.mjs', 'NODE_OPTIONS=--import=hosts-preload.mjs']],
  ['what may start Node', { path: 'sh' }, ['NODE_OPTIONS=--import=hosts-preload.mjs']],
])(
  '%s finds the hosts of the plan by what is loaded into Node, where they lie in no /etc/hosts',
  async (_, program, led) => {
    expect(await ledBy(program, undefined)).toEqual([...led, 'HOLDFAST_HOSTS=/run/hosts'])
    expect(await ledBy(program, true)).toEqual([])
  },
)
