import { expect, test } from 'vitest'
import { compile, credentialKinds } from '../shipped.ts'
import { loadTopology } from '../topology/load.ts'
import { deriveMatrix } from '../trust/matrix.ts'
import { demonstrationOf, derivedFrom } from './derived.ts'

const topologies = ['separate-auth', 'shared-auth', 'transit']

test.each(topologies)('of %s each guard refuses once, beside an accepted row that stands before it', async (name) => {
  const plan = compile(await loadTopology(name))
  const rows = derivedFrom(plan)
  const refused = rows.flatMap((row) => (row.expected === 'accepted' ? [] : { row, ...row.expected }))
  const guards = deriveMatrix(plan, credentialKinds).classes.flatMap(({ representative: { expected } }) =>
    expected.verdict === 'refused' ? expected.guard : [],
  )

  expect(refused.map(({ guard }) => guard).toSorted()).toEqual([...new Set(guards)].toSorted())
  for (const { row, reason } of refused) {
    const { beside, to, action, because } = row
    expect(because).not.toBe(reason)
    expect(beside).toMatchObject({ to, action, expected: 'accepted' })
    expect(rows.indexOf(beside!)).toBeLessThan(rows.indexOf(row))
    expect(rows.indexOf(beside!)).toBeGreaterThanOrEqual(0)
  }
  expect(rows.filter(({ presents }) => presents.includes('key retired'))).toEqual([])
})

test.each(topologies)('of %s each kind of target accepts once', async (name) => {
  const plan = compile(await loadTopology(name))
  const accepted = derivedFrom(plan).filter(({ expected }) => expected === 'accepted')
  const actions = plan.accepts.map(({ action }) => action)

  expect(accepted.map(({ action }) => action)).toEqual(expect.arrayContaining(actions))
  expect(new Set(accepted.map(({ action }) => action)).size).toBe(accepted.length)
})

test('what was written by hand goes before what is derived, and only for its own topology', async () => {
  const plan = compile(await loadTopology('separate-auth'))
  const presents = 'the peer token that auth-b minted for it'
  expect(demonstrationOf('separate-auth', plan)).toMatchObject({ calls: { 0: { presents } } })
  expect(demonstrationOf('./separate-auth.json', plan)).toMatchObject({ calls: { length: derivedFrom(plan).length } })
  expect(demonstrationOf('nats-orchestrator', plan)).toHaveProperty('verifiable')
})

test('a topology in which nobody can be called has nothing to show', async () => {
  const plan = { ...compile(await loadTopology('shared-auth')), accepts: [] }
  const mute = Object.values(plan.nodes).map((node) => {
    return [node.name, { ...node, units: node.units.map((unit) => ({ ...unit, verification: undefined })) }] as const
  })
  expect(() => derivedFrom({ ...plan, nodes: Object.fromEntries(mute) })).toThrow(
    expect.objectContaining({ code: 'HOLDFAST_NOTHING_TO_SHOW', message: expect.stringContaining('shared-auth') }),
  )
})
