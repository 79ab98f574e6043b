import { expect, test } from 'vitest'
import { compile } from '../shipped.ts'
import { offeredActions } from './actions.ts'
import { loadTopology } from './load.ts'

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
