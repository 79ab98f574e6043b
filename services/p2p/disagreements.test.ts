import { expect, test } from 'vitest'
import { disagreementsIn } from './disagreements.ts'
import type { Status } from './wire.ts'

const sees = (node: string, peers: Record<string, Status['peers'][number]['peerAuth']>) => ({
  node,
  peers: Object.entries(peers).map(([id, peerAuth]) => ({ id, peerAuth, reachable: true, url: 'https://x' })),
})

test('a refusal is told once, whichever side says so', () => {
  const both = [
    sees('orc-1', { 'orc-2': 'refused_us', 'orc-3': 'ok' }),
    sees('orc-2', { 'orc-1': 'we_refused', 'orc-3': 'unknown' }),
    sees('orc-3', { 'orc-1': 'ok', 'orc-2': 'we_refused' }),
  ]
  const told = [
    { by: 'orc-2', of: 'orc-1' },
    { by: 'orc-3', of: 'orc-2' },
  ]
  expect(disagreementsIn(both)).toEqual(told)
  expect(disagreementsIn(both.toReversed())).toEqual(told)
  expect(disagreementsIn([both[1]!])).toEqual([{ by: 'orc-2', of: 'orc-1' }])
})

test('where all are well, or not known, nobody disagrees', () => {
  expect(disagreementsIn([sees('orc-1', { 'orc-2': 'ok', 'orc-3': 'unknown' }), sees('orc-2', {})])).toEqual([])
})
