import { expect, test } from 'vitest'
import { compile } from '../shipped.ts'
import { offeredActions } from './actions.ts'
import { loadTopology } from './load.ts'
import { actionPattern } from './schema.ts'

test('what can be done at each node follows from the kinds of its units', async () => {
  const offered = offeredActions(compile(await loadTopology('separate-auth')))

  expect(offered.filter(({ node }) => node === 'node-a')).toContainEqual({
    node: 'node-a',
    unit: 'orchestrator',
    action: 'peering:connect',
    listener: 'peering',
    presents: 'certificate, token of peer:connect',
    summary: 'opens a peering session',
  })
  expect(offered.find(({ action }) => action === 'holder:prove')).toMatchObject({ presents: 'certificate' })
  expect(offered.find(({ action }) => action === 'operator:list')).toMatchObject({
    presents: 'certificate, and the token if any',
  })
  expect(offered.filter(({ node }) => node.startsWith('ca-'))).toEqual([])
})

test.each([
  ['connect', true],
  ['peering:connect', true],
  ['federation:list/tasks', true],
  ['grid:publish/JOBS.*.done', true],
  ['grid:publish/a/b:c', true],
  ['grid:publish/', false],
  ['/tasks', false],
  ['grid:/tasks', false],
  ['Grid:publish', false],
  ['grid:publish/two words', false],
  ['grid:publish/line\n', false],
  ['grid:publish/ä', false],
])('%j is the name of an action: %s', (name, is) => {
  expect(actionPattern.test(name)).toBe(is)
})
