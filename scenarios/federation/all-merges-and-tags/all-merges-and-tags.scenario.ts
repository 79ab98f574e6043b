import { expect, scenario } from 'holdfast/vitest'
import { type Asking, lend } from '../asking.ts'
import { type Federation, federation, type Source } from '../federation.ts'

const test = scenario('federation', { own: true, set: { askers: 2 } }).extend('federation', federation)

/** A user of the seed, who asks by a peer of his. */
async function lendTo(federation: Federation, asker: string, name: string, lender: string): Promise<Asking> {
  const as = { user: await federation.asUser(asker, name), userId: federation.seed(asker).user(name).id }
  return lend(federation, { asker, lender, as: as as Asking })
}

const tasks = { limit: 1000, source: 'all' } as const

test('own rows and those of two lenders, each with its source, the newest first (FED-45)', async ({ federation }) => {
  const bob = federation.seed('a').user('bob').name
  const [fromB, fromC] = [await lendTo(federation, 'a', bob, 'b'), await lendTo(federation, 'a', bob, 'c')]
  const { user } = fromB
  const { items, ...answer } = (await user.list('tasks', tasks)).value
  const of = (source: Source) =>
    items
      .filter(({ _source }) => _source === source)
      .map(({ id }) => id)
      .sort()
  const visible = (letter: string, name: string) => federation.seed(letter).visible(name, 'tasks')

  expect(of('local')).toEqual(visible('a', 'bob'))
  expect(of(fromB.source)).toEqual(visible('b', 'alice'))
  expect(of(fromC.source)).toEqual(visible('c', 'alice'))
  expect([of('local'), of(fromB.source), of(fromC.source)].map(({ length }) => length > 0)).toEqual([true, true, true])
  expect(items).toHaveLength(of('local').length + of(fromB.source).length + of(fromC.source).length)
  const times = items.map(({ createdAt }) => String(createdAt))
  expect(times).toEqual(times.toSorted().reverse())
  expect(answer).toMatchObject({ nextCursor: null, _truncated: false, _partial: false })
  expect(answer._sources.map(({ source, state }) => [source, state]).sort()).toEqual(
    [fromB.source, fromC.source, 'local'].map((source) => [source, 'ok']).sort(),
  )

  // What is cut off is said, as there is no cursor over all of them; and one row is asked for at one place.
  expect((await user.list('tasks', { ...tasks, limit: 2 })).value).toMatchObject({
    ...{ items: [{}, {}], nextCursor: null, _truncated: true, _partial: true },
  })
  const anywhere = await user.getRow('tasks', visible('b', 'alice')[0]!, { source: 'all' })
  expect(anywhere.status).toBe(400)
  expect(await federation.reason(anywhere, 'a')).toBe('source_not_single')
  const mark = federation.seed('b').markersOf(visible('b', 'alice'))[0]!
  expect(new Set((await user.search(mark, tasks)).value.items.map(({ _source }) => _source))).toEqual(
    new Set([fromB.source]),
  )
})

test('of two lenders one is away: it is named, and the other rows are there (FED-45)', async ({ federation }) => {
  const carol = federation.seed('a').user('carol').name
  const [fromB, fromC] = [await lendTo(federation, 'a', carol, 'b'), await lendTo(federation, 'a', carol, 'c')]
  const { user } = fromB
  const sources = ({ items }: { items: readonly { _source: string }[] }) => new Set(items.map(({ _source }) => _source))
  expect(sources((await user.list('tasks', tasks)).value)).toEqual(new Set(['local', fromB.source, fromC.source]))

  const node = federation.site.node('gateway-c')
  await node.kill('gateway')
  const { value, ms } = await user.list('tasks', tasks)
  expect(sources(value)).toEqual(new Set(['local', fromB.source]))
  expect(value).toMatchObject({ _partial: true, _notices: [{ code: 'peer_offline', source: fromC.source }] })
  const away = { source: fromC.source, state: 'offline', reason: 'peer_unreachable', cached: false, truncated: false }
  expect(value._sources).toContainEqual(away)
  expect(
    federation.site.measured('an answer without one of two lenders', ms, federation.site.bound(7_000)),
  ).toBeLessThan(federation.site.bound(7_000))
  await node.start('gateway')
  await federation.connectAnonymously('c')
  expect(sources((await user.list('tasks', tasks)).value)).toEqual(new Set(['local', fromB.source, fromC.source]))
})

test('what A lends to B, B does not lend on to C (FED-45)', async ({ federation }) => {
  const alice = await lendTo(federation, 'b', 'alice', 'a')
  const [lent, own] = [federation.seed('a').visible('alice', 'tasks'), federation.seed('b').visible('alice', 'tasks')]
  const gathered = (await alice.user.list('tasks', tasks)).value.items
  expect(
    gathered
      .filter(({ _source }) => _source === alice.source)
      .map(({ id }) => id)
      .sort(),
  ).toEqual(lent)

  const { user, source } = await lend(federation, { asker: 'c', lender: 'b' })
  const { items } = (await user.list('tasks', { source, limit: 1000 })).value
  expect(items.map(({ id }) => id).sort()).toEqual(own)
  const everything = JSON.stringify([items, (await user.search('mark', { source })).value])
  expect(federation.seed('a').markersIn(everything)).toEqual([])
  expect((await user.getRow('tasks', lent[0]!, { source })).status).toBe(404)
})
