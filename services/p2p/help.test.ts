import { Command } from 'commander'
import { expect, test } from 'vitest'
import { helpOf, leavesOf } from '../shared/testing/help.ts'
import { addClusterCommands } from './cluster-commands.ts'
import { addPipelineCommands } from './pipeline-commands.ts'

test('the help of each command has an example that it takes', async () => {
  const taken: string[] = []
  const root = new Command('p2p')
  const run = async (self: Command) => void taken.push(self.name())
  for (const option of ['--p2p-leader <url>']) root.option(option)
  for (const add of [addPipelineCommands, addClusterCommands]) add(root, run)
  const leaves = leavesOf(root)
  expect(leaves.map(({ path }) => path)).toEqual([
    ...['run', 'status', 'output', 'cancel', 'list', 'describe'].map((name) => `pipeline ${name}`),
    ...['nodes', 'leader', 'events', 'token check'],
  ])
  for (const { path, command } of leaves) {
    const examples = [...helpOf(command).matchAll(/^ {2}\$ p2p (.*)$/gm)].map(([, example = '']) => example)
    expect([path, examples.length]).not.toEqual([path, 0])
    for (const example of examples) {
      taken.length = 0
      await root.parseAsync(example.split(' '), { from: 'user' })
      expect([example, taken]).toEqual([example, [command.name()]])
    }
  }
})
