import { expect, scenario } from 'holdfast/vitest'
import { type Asking, lend } from '../asking.ts'
import { type Federation, federation } from '../federation.ts'

const test = scenario('federation').extend('federation', federation)
const forgetful = scenario('federation', { env: { 'gateway-a/gateway': { GATEWAY_CACHE_SECONDS: '2' } } }).extend(
  'federation',
  federation,
)

/** What the lender was asked by this grant so far, oldest first. */
async function heard({ site }: Federation, { grantId }: Pick<Asking, 'grantId'>): Promise<string[]> {
  const decisions = await site.decisions('gateway-b')
  return decisions
    .filter(({ principal, action }) => principal?.grantId === grantId && !action.endsWith('enrol'))
    .map(({ action }) => action.replace('federation:', ''))
}

test('the lender is asked for rows once, and after that whether the grant stands', async ({ federation }) => {
  const asking = await lend(federation)
  const { user, source } = asking
  const first = await user.list('tasks', { source })
  const afterFirst = await heard(federation, asking)
  const second = await user.list('tasks', { source })

  expect(first.value).toMatchObject({ _cached: false, _sources: [{ source, state: 'ok', cached: false }] })
  expect(second.value).toMatchObject({ _cached: true, _sources: [{ source, state: 'ok', cached: true }] })
  expect(second.value.items).toEqual(first.value.items)
  expect(first.value.items.length).toBeGreaterThan(0)
  expect(afterFirst.filter((action) => action === 'list/tasks')).toHaveLength(1)
  expect(await heard(federation, asking)).toEqual([...afterFirst, 'capabilities'])
  // The confirmation is on record at the lender like any request.
  const rows = async () => {
    const all = await federation.audit('b')
    return all.filter(({ grant_id: grant, verb }) => grant === asking.grantId && verb !== 'enrol').length
  }
  await federation.site.until('each of them has its row', async () => (await rows()) === afterFirst.length + 1, {
    withinMs: 5_000,
  })
})

test('another query, another page and another user are asked for anew', async ({ federation }) => {
  const [asking, other] = [await lend(federation), await lend(federation)]
  const { user, source } = asking
  const isCached = async (of: Asking, query: object) =>
    (await of.user.list('tasks', { source, ...query })).value._cached
  const { nextCursor } = (await user.list('tasks', { source, limit: 2 })).value

  expect(await isCached(asking, { limit: 2 })).toBe(true)
  expect(await isCached(asking, { limit: 3 })).toBe(false)
  expect(await isCached(asking, { limit: 2, cursor: nextCursor })).toBe(false)
  expect(await isCached(asking, { limit: 2, filter: { status: 'open' } })).toBe(false)
  expect(await isCached(other, { limit: 2 })).toBe(false)
})

test('searches and single rows are asked for each time', async ({ federation }) => {
  const asking = await lend(federation)
  const { user, source } = asking
  const [id] = federation.seed('b').visible('alice', 'tasks')
  const [word] = federation.seed('b').markersOf([id!])
  for (const _ of [1, 2]) {
    expect((await user.search(word!, { source })).value).toMatchObject({ _cached: false, items: [{ id }] })
    expect((await user.getRow('tasks', id!, { source })).value).toMatchObject({ _cached: false, item: { id } })
  }
  expect(await heard(federation, asking)).toEqual(['search', 'get/tasks', 'search', 'get/tasks'])
})

forgetful('no list is kept for longer than it may', async ({ federation }) => {
  const asking = await lend(federation)
  const { user, source } = asking
  const lists = async () => (await heard(federation, asking)).filter((action) => action === 'list/tasks').length
  await user.list('tasks', { source })
  const cached = () => user.list('tasks', { source })
  await federation.site.until('it to be asked for anew', async () => !(await cached()).value._cached, {
    withinMs: 10_000,
  })
  expect(await lists()).toBe(2)
})
