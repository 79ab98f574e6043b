import { expect, scenario } from 'holdfast/vitest'
import { federation } from '../federation.ts'

const test = scenario('federation').extend('federation', federation)

const idsOf = (rows: readonly { id: string }[]) => rows.map(({ id }) => id).sort()

test.for([
  ['tasks', 6],
  ['notes', 3],
] as const)('scope-a lends alice %s of her own and of her teams', async ([resource, count], { federation }) => {
  const peer = await federation.asPeer('scope-a')
  const seed = federation.seed('b')
  const mine = seed.visible('alice', resource)
  const reply = await peer.list(resource)

  expect(mine).toHaveLength(count)
  expect(idsOf(reply.value.items)).toEqual(mine)
  expect(reply.value).toMatchObject({ nextCursor: null, _truncated: false, _partial: false })
  expect(new Set(reply.value.items.map(({ _source }) => _source))).toEqual(new Set(['gateway-b.somebiz.local.io']))
  expect(seed.markersBut(mine).filter((marker) => reply.body.includes(marker))).toEqual([])
  expect(await federation.audited(reply)).toMatchObject({ verb: 'list', resource, outcome: 'allowed', rows_out: count })
})

test('scope-b lends alice, who is in T2 as well, the tasks of T1 alone', async ({ federation }) => {
  const peer = await federation.asPeer('scope-b')
  const seed = federation.seed('b')
  const { filters } = peer.grant.scope
  const lent = seed.visible('alice', 'tasks', filters!.tasks)
  const reply = await peer.list('tasks')

  expect(lent).toHaveLength(2)
  expect(idsOf(reply.value.items)).toEqual(lent)
  expect(new Set(reply.value.items.map(({ teamId }) => teamId))).toEqual(new Set([seed.team('T1').id]))
  expect(seed.markersBut(lent).filter((marker) => reply.body.includes(marker))).toEqual([])
})

test('a filter of the caller’s narrows within that, and asks for nothing beyond', async ({ federation }) => {
  const peer = await federation.asPeer('scope-b')
  const [t1, t2] = ['T1', 'T2'].map((team) => federation.seed('b').team(team).id)

  expect((await peer.list('tasks', { filter: { teamId: t1 } })).value.items).toHaveLength(2)
  expect((await peer.list('tasks', { filter: { teamId: t2 } })).value.items).toEqual([])
})

test('of one scope each subject gets rows of his own', async ({ federation }) => {
  for (const subject of ['alice', 'bob', 'carol', 'dave']) {
    const peer = await federation.asPeer('scope-a', { subject })
    const seed = federation.seed('b')
    // Whoever shares nothing personal lends what belongs to teams alone.
    const filter = seed.user(subject).sharePersonal === false ? { include_personal: false } : {}
    const lent = seed.visible(subject, 'tasks', filter)

    expect(idsOf((await peer.list('tasks')).value.items), subject).toEqual(lent)
  }
})
