import { expect, scenario } from 'holdfast/vitest'
import { type Federation, federation } from '../federation.ts'
import { invalid } from '../lending.ts'
import { expectRefused } from '../refusals.ts'
import { bringIn, broughtIn, type Moment, task } from '../tenants.ts'

const test = scenario('federation').extend('federation', federation)

/** Two at the very same time, three within a millisecond, and those that differ in the last digit. */
const moments: readonly Moment[] = [
  [1, 1],
  [1, 1],
  [1, 1],
  [2, 1],
  [2, 2],
  [2, 999],
  [3, 0],
  [3, 1_000],
  [4, 999_999],
]
const cap = 2

async function capped(federation: Federation) {
  const tenant = await broughtIn(federation, { moments })
  const scope = { resources: ['tasks', 'notes'], max_rows_per_query: cap, filters: { tasks: { include_teams: [] } } }
  const peer = await federation.enrol({ subject: tenant.named.ada, scope })
  const [ada] = tenant.users
  const mine = tenant.tasks.filter(({ owner, team }) => owner === ada!.id && team === undefined)
  return { tenant, peer, scope, ada: ada!, mine: mine.map(({ id }) => id) }
}

test('every row once, newest first, never more than the grant allows', async ({ federation }) => {
  const { peer, mine } = await capped(federation)
  for (const limit of [undefined, 1, 2, 1_000]) {
    const rows = await peer.all('tasks', { ...(limit !== undefined && { limit }) })
    expect(rows.map(({ id }) => id).sort(), `limit ${limit}`).toEqual([...mine].sort())
    const order = rows.map(({ createdAt, id }) => `${createdAt} ${id}`)
    expect(order).toEqual([...order].sort().reverse())
  }
  const page = await peer.list('tasks', { limit: 1_000 })
  expect(page.value.items).toHaveLength(cap)
  expect(page.value).toMatchObject({ _truncated: true, nextCursor: expect.any(String) })
  expect(await federation.decided(page)).toMatchObject([{ verdict: 'accepted', guard: 'scope.cap', reason: 'row_cap' }])
  expect(await federation.audited(page)).toMatchObject({ outcome: 'allowed', rows_out: cap })
  const found = await peer.search('turn', { limit: 1_000 })
  expect([found.value.items.length, found.value._truncated]).toEqual([cap, true])
})

test('rows that come in meanwhile move none', async ({ federation }) => {
  const { tenant, peer, ada, mine } = await capped(federation)
  const seen: string[] = []
  const later: string[] = []
  const older: string[] = []
  let cursor: string | undefined
  for (let turn = 0; ; turn += 1) {
    const { items, nextCursor } = (await peer.list('tasks', { limit: 1, ...(cursor !== undefined && { cursor }) }))
      .value
    seen.push(...items.map(({ id }) => id))
    if (nextCursor === null) break
    cursor = nextCursor
    if (turn === 2 || turn === 4) {
      const added = [task(ada.id, [59, turn]), task(ada.id, [0, turn])]
      later.push(added[0]!.id)
      older.push(added[1]!.id)
      await bringIn(federation, {
        ...tenant,
        tasks: added,
        notes: [],
        memory: [],
        credentials: [],
      })
    }
  }
  expect(new Set(seen).size).toBe(seen.length)
  expect(seen.filter((id) => later.includes(id))).toEqual([])
  expect([...seen].sort()).toEqual([...mine, ...older].sort())
})

test('where a page begins is told to one grant for one query', async ({ federation }) => {
  const { tenant, peer, scope } = await capped(federation)
  const other = await federation.enrol({ subject: tenant.named.ada, scope })
  const cursor = (await peer.list('tasks')).value.nextCursor!
  const notes = (await peer.list('notes')).value.nextCursor!
  const refused = invalid('http.body', 'cursor_invalid')
  expect((await peer.list('tasks', { cursor })).status).toBe(200)

  await expectRefused(federation, await other.list('tasks', { cursor }), refused, { what: 'another grant' })
  await expectRefused(federation, await peer.list('notes', { cursor }), refused, { what: 'another resource' })
  await expectRefused(federation, await peer.list('tasks', { cursor: notes }), refused, { what: 'of another resource' })
  const filter = { createdAfter: '2026-01-01T00:00:00Z' }
  await expectRefused(federation, await peer.list('tasks', { cursor, filter }), refused, { what: 'another filter' })

  const swapped = (at: number) => `${cursor.slice(0, at)}${cursor[at] === 'A' ? 'B' : 'A'}${cursor.slice(at + 1)}`
  for (const at of [0, 1, Math.floor(cursor.length / 3), Math.floor(cursor.length / 2), cursor.length - 2]) {
    await expectRefused(federation, await peer.list('tasks', { cursor: swapped(at) }), refused, {
      what: `another character at ${at}`,
    })
  }
  const written = Buffer.from(JSON.stringify({ c: '2026-03-01T12:00:01.000001Z', i: tenant.tasks[0]!.id })).toString(
    'base64url',
  )
  for (const text of [
    cursor.slice(0, -1),
    `${cursor}A`,
    `${cursor}=`,
    ` ${cursor}`,
    cursor.split('.')[0]!,
    written,
    `${written}.`,
    'x',
  ]) {
    if (text === cursor) continue
    await expectRefused(federation, await peer.list('tasks', { cursor: text }), refused, { what: text.slice(0, 12) })
  }
  expect((await peer.list('tasks', { cursor })).status).toBe(200)
})
