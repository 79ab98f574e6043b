import { Command } from 'commander'
import { expect, test } from 'vitest'
import { helpOf, leavesOf } from '../shared/testing/help.ts'
import { addGrantCommands } from './grant-commands.ts'
import { addPeerCommands } from './peer-commands.ts'
import { addStateCommands } from './state-commands.ts'

test('the help of each command has an example that it takes', () => {
  const root = new Command('federation')
  const run = async () => {}
  for (const add of [addPeerCommands, addGrantCommands, addStateCommands]) add(root, run)
  const leaves = leavesOf(root)
  expect(leaves.map(({ path }) => path)).toEqual([
    ...['peer register', 'peer list', 'peer show', 'peer renew', 'peer remove', 'peer add'],
    ...['grant create', 'grant list', 'grant show', 'grant scope', 'grant revoke', 'grant token'],
    ...['status', 'doctor', 'audit'],
  ])
  for (const { path, command } of leaves) {
    const examples = [...helpOf(command).matchAll(/^ {2}\$ federation (.*)$/gm)].map(([, example = '']) => example)
    expect([path, examples.length]).not.toEqual([path, 0])
    for (const example of examples) expect(example).toMatch(new RegExp(`^${path}( |$)`))
  }
})
