import { expect, test } from 'vitest'
import { run, script } from '../check.ts'

test('the packed package works in a project with a vitest of its own: coverage, names, shards and the watch mode', async () => {
  const name = 'the package'
  const { failed, output } = await run({ name, argv: script('checks/package/try.ts', '--whole') })

  expect(failed, output).toEqual([])
}, 600_000)
