import { expect, scenario } from 'holdfast/vitest'
import { type Asking, lend } from '../asking.ts'
import { type Federation, federation } from '../federation.ts'

const test = scenario('federation').extend('federation', federation)

const readers = 4

/** A list that A has in its memory, as it proves. */
async function keptList(federation: Federation): Promise<Asking & { list: () => ReturnType<Asking['user']['list']> }> {
  const asking = await lend(federation)
  const list = () => asking.user.list('tasks', { source: asking.source })
  await list()
  expect((await list()).value).toMatchObject({ _cached: true })
  return { ...asking, list }
}

/** Reads again and again, by several at once, until it is told to end; each read with whether it began after `isDone`. */
function readingOf(list: () => ReturnType<Asking['user']['list']>) {
  let [isDone, isOver] = [false, false]
  const reads: { late: boolean; reply: Awaited<ReturnType<typeof list>> }[] = []
  const all = Array.from({ length: readers }, async () => {
    while (!isOver) {
      const late = isDone
      reads.push({ late, reply: await list() })
    }
  })
  return {
    reads,
    done: () => {
      isDone = true
    },
    end: async () => {
      isOver = true
      await Promise.all(all)
    },
  }
}

test('from the answer to its revocation on, no read gets a row', async ({ federation }) => {
  const { grantId, list } = await keptList(federation)
  const markers = federation.seed('b').markers()
  const reading = readingOf(list)
  const { reads } = reading
  await federation.site.until('lists to come from memory', () => reads.length > 2 * readers, { withinMs: 10_000 })
  await (await federation.asAdmin('b')).revoke(grantId)
  reading.done()
  await federation.site.until('reads after it', () => reads.filter(({ late }) => late).length > 2 * readers, {
    withinMs: 20_000,
  })
  await reading.end()

  expect(
    reads.filter(({ late, reply }) => !late && reply.status === 200 && reply.value._cached).length,
  ).toBeGreaterThan(0)
  const late = reads.filter((read) => read.late).map(({ reply }) => reply)
  expect(late.filter(({ body }) => markers.some((marker) => body.includes(marker)))).toEqual([])
  // Refused by the grant, or, once its certificate is listed, at TLS: never as if there were nothing to lend.
  for (const { status, json } of late) {
    expect(status === 403 || (json as { _partial?: boolean })._partial === true, JSON.stringify(json)).toBe(true)
  }
})

/** Less than the grant lent before, and the rows of it. */
function narrower(federation: Federation) {
  const seed = federation.seed('b')
  const t1 = { include_teams: [seed.team('T1').id], include_personal: false }
  const narrowed = seed.visible('alice', 'tasks', t1)
  expect(narrowed.length).toBeLessThan(seed.visible('alice', 'tasks').length)
  return { narrowed, scope: { resources: ['tasks'], filters: { tasks: t1 } } }
}

test('what is kept from before a change is not served even once, and it is on record why', async ({ federation }) => {
  const { grantId, peerId, list } = await keptList(federation)
  const { narrowed, scope } = narrower(federation)
  await (await federation.asAdmin('b')).changeScope(grantId, scope)

  const { value } = await list()
  expect(value).toMatchObject({ _cached: false, _partial: false, _sources: [{ state: 'ok', cached: false }] })
  expect(value.items.map(({ id }) => id).sort()).toEqual(narrowed)
  const ours = (await federation.site.decisions('gateway-a')).filter(({ principal }) => principal?.peerId === peerId)
  expect(ours.at(-1)).toMatchObject({
    ...{ action: 'federation:list/tasks', verdict: 'accepted', guard: 'out.cache', reason: 'cache_unconfirmed' },
  })
  expect((await list()).value).toMatchObject({ _cached: true, items: value.items })
})

test('a changed scope counts for all lists from then on, also while many are read', async ({ federation }) => {
  const { grantId, list } = await keptList(federation)
  const admin = await federation.asAdmin('b')
  const { narrowed, scope } = narrower(federation)
  const reading = readingOf(list)
  await admin.changeScope(grantId, scope)
  reading.done()
  const { reads } = reading
  await federation.site.until('reads after it', () => reads.filter(({ late }) => late).length > 2 * readers, {
    withinMs: 20_000,
  })
  await reading.end()

  for (const { reply } of reads.filter(({ late }) => late)) {
    expect(reply.value.items.map(({ id }) => id).sort()).toEqual(narrowed)
  }
  // What is kept from then on is the narrower list.
  expect((await list()).value).toMatchObject({ _cached: true })
})

test('while the lender cannot be asked, nothing is served without its word', async ({ federation }) => {
  const { list } = await keptList(federation)
  const lender = federation.site.node('gateway-b')
  await lender.pause('gateway')
  try {
    const reply = await list()
    expect(reply.value).toMatchObject({ items: [], _partial: true, _cached: false, _sources: [{ state: 'offline' }] })
  } finally {
    await lender.resume('gateway')
  }
  // It was there all the time.
  expect((await list()).value).toMatchObject({ _partial: false, _sources: [{ state: 'ok' }] })
})
