import { expect, scenario } from 'holdfast/vitest'
import { federation } from '../federation.ts'
import { leaked } from '../refusals.ts'

const test = scenario('federation').extend('federation', federation)

interface Seeded {
  readonly id: string
  readonly title?: string
  readonly body?: string
  readonly name?: string
  readonly text?: string
  readonly secret?: string
  readonly email?: string
  readonly displayName?: string
}
const markIn = (text: string | undefined) => /mark[0-9a-f]{20}/.exec(text ?? '')![0]

test('each word of each row of the lender finds what is lent, and no other row', async ({ federation }) => {
  const peer = await federation.asPeer('scope-b')
  const seed = federation.seed('b')
  const lent = seed.visible('alice', 'tasks', peer.grant.scope.filters!.tasks)
  expect(lent).toHaveLength(2)
  let found = 0
  for (const tenant of seed.tenants) {
    for (const resource of ['tasks', 'notes', 'memory'] as const) {
      for (const row of tenant[resource] as readonly Seeded[]) {
        const isLent = resource === 'tasks' && lent.includes(row.id)
        for (const text of [row.title, row.body, row.text].filter((one) => one !== undefined)) {
          const reply = await peer.search(markIn(text))
          const ids = reply.value.items.map(({ id }) => id)
          expect(ids, `${resource} ${text}`).toEqual(isLent ? [row.id] : [])
          if (!isLent) expect(leaked(federation, reply)).toEqual([])
          found += ids.length
        }
      }
    }
  }
  expect(found).toBe(4)
})

test('nothing is found by what is never sent', async ({ federation }) => {
  const peer = await federation.asPeer('scope-all', { allowSensitive: true })
  const { users, credentials, teams } = federation.seed('b').tenant('acme')
  const [key] = credentials as readonly Seeded[]
  const [alice] = users as readonly Seeded[]
  const found = async (text: string | undefined) => (await peer.search(markIn(text))).value.items.map(({ id }) => id)
  // By their names they are.
  expect(await found(key!.name)).toEqual([key!.id])
  expect(await found(alice!.displayName)).toEqual([alice!.id])
  expect(await found(teams[0]!.name)).toEqual([teams[0]!.id])
  for (const one of credentials as readonly Seeded[]) expect(await found(one.secret)).toEqual([])
  for (const one of users as readonly Seeded[]) expect(await found(one.email)).toEqual([])
})

test('what is found comes by rank, as a title and no more', async ({ federation }) => {
  const peer = await federation.asPeer('scope-a')
  const seed = federation.seed('b')
  const reply = await peer.search('plan')
  const { items, ...rest } = reply.value
  const mine = [...seed.visible('alice', 'tasks'), ...seed.visible('alice', 'notes')]
  expect(items.map(({ id }) => id).sort()).toEqual(mine.sort())
  expect(rest).toEqual({ _truncated: false, _partial: false })
  const scores = items.map(({ score }) => score)
  expect(scores).toEqual(scores.toSorted((a, b) => b - a))
  for (const item of items) {
    expect(Object.keys(item).sort()).toEqual(['_source', 'id', 'resource', 'score', 'title'])
    expect(item._source).toBe('gateway-b.somebiz.local.io')
  }
  const bodies = [...seed.tenant('acme').tasks, ...seed.tenant('acme').notes].map((row) => markIn((row as Seeded).body))
  expect(bodies.filter((marker) => reply.body.includes(marker))).toEqual([])
  const some = await peer.search('plan', { limit: 2 })
  expect([some.value.items, some.value._truncated]).toEqual([items.slice(0, 2), true])
})

test.for([
  "' OR '1'='1",
  '%',
  '*',
  'plan:*',
  '!plan',
  'plan | mark',
  'a & (b',
  '"unbalanced',
  '\\',
  '<->',
  ';--',
  '💥',
])('%s is looked for as words', async (q, { federation }) => {
  const peer = await federation.asPeer('scope-b')
  const reply = await peer.search(q)
  const lent = federation.seed('b').visible('alice', 'tasks', peer.grant.scope.filters!.tasks)
  expect(reply.value.items.filter(({ id }) => !lent.includes(id))).toEqual([])
})
