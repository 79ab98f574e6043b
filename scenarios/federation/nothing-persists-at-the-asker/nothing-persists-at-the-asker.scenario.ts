import { expect, scenario } from 'holdfast/vitest'
import { type Asking, lend, newUser } from '../asking.ts'
import { type Federation, federation, type Looked, type Reply } from '../federation.ts'

const test = scenario('federation', { own: true }).extend('federation', federation)

/** What may grow or change with each call: the audit, and how the last contact with a peer went. */
const health = ['last_success_at', 'last_failure_at', 'last_failure_reason']

/** Every table of A as texts, but for those. */
async function tablesOf(federation: Federation): Promise<Record<string, unknown>> {
  const dump = await (await federation.database('a')).dump()
  const withoutHealth = (line: string) => {
    const row = JSON.parse(line) as Record<string, unknown>
    for (const column of health) delete row[column]
    return JSON.stringify(row)
  }
  return Object.fromEntries(
    Object.entries(dump).flatMap(([table, rows]) => {
      if (table.includes('federation_audit')) return []
      // Up to where the audit has come.
      if (table.endsWith('settings')) return [[table, rows.filter((row) => !row.includes('"key":"audit-position'))]]
      return [[table, table.endsWith('federation_peers') ? rows.map(withoutHealth).sort() : rows]]
    }),
  )
}

/** All that is on A's disks: what was written is there, in tables or in the log ahead of them. */
function lookedThrough(federation: Federation, needles: readonly string[]): Promise<Looked> {
  return federation.disk('a').find(...needles)
}

/** All that this user can ask, and what of B's was in the answers. */
async function askEverything(federation: Federation, { user, source }: Asking, word: string): Promise<string> {
  const seed = federation.seed('b')
  const [own] = seed.visible('alice', 'tasks')
  const [others] = seed.visible('bob', 'notes').filter((id) => !seed.visible('alice', 'notes').includes(id))
  const expected: [number, Promise<Reply<unknown>>][] = [
    ...(['tasks', 'notes'] as const).flatMap((resource): [number, Promise<Reply<unknown>>][] => [
      [200, user.list(resource, { source })],
      [200, user.list(resource, { source: 'all', limit: 1000 })],
      [200, user.list(resource, { source, limit: 1 })],
    ]),
    [200, user.getRow('tasks', own!, { source })],
    [200, user.search(word, { source })],
    [200, user.search(word, { source: 'all' })],
    [200, user.capabilities({ source })],
    // Refused by the lender, for its resource and for its row; by A itself, for what is no request; and a cursor that nobody gave.
    [403, user.list('memory', { source })],
    [404, user.getRow('notes', others!, { source })],
    [400, user.list('tasks', { source, limit: 0 })],
    [400, user.post(`/api/query/search`, { q: word, source, text: word })],
    [503, user.list('tasks', { source, cursor: `${source}.${word}` })],
  ]
  const replies = await Promise.all(expected.map(async ([status, asked]) => ({ status, reply: await asked })))
  for (const { status, reply } of replies) {
    if (status !== 503) expect(reply.status, reply.from).toBe(status)
  }
  return replies.map(({ reply }) => reply.body).join('\n')
}

test('no table, file or log of A holds a word of what it was lent', async ({ federation }) => {
  const asking = await lend(federation)
  const { user: colleague } = await newUser(federation)
  const [theirs, ours] = [federation.seed('b').markers(), federation.seed('a').markers()]
  const [word] = federation.seed('b').markersOf(federation.seed('b').visible('alice', 'tasks'))
  await asking.user.list('memory')
  const before = await tablesOf(federation)

  const answered = await askEverything(federation, asking, word!)
  await colleague.list('tasks', { source: asking.source })
  const lent = theirs.filter((marker) => answered.includes(marker))
  expect(lent.length, 'markers of B that passed through A').toBeGreaterThan(8)
  expect(await tablesOf(federation)).toEqual(before)

  // The finder finds what is there: A's own rows at A, and B's at B.
  const here = await lookedThrough(federation, [...theirs, ...ours])
  const needles = new Set(here.found.map(({ needle }) => needle))
  expect(ours.filter((marker) => !needles.has(marker))).toEqual([])
  expect(new Set((await federation.disk('b').find(...lent)).found.map(({ needle }) => needle))).toEqual(new Set(lent))
  expect(here.found.filter(({ needle }) => theirs.includes(needle))).toEqual([])
  const told = federation.site.node('gateway-a').logs().join('\n') + JSON.stringify(await federation.audit('a'))
  expect(theirs.filter((marker) => told.includes(marker))).toEqual([])
})

test('nor does one that is killed while it is answered', async ({ federation }) => {
  const { user, source } = await lend(federation)
  const theirs = federation.seed('b').markers()
  const node = federation.site.node('gateway-a')
  const before = await tablesOf(federation)
  let isOver = false
  let cutOff = 0
  // Again and again, each list another one, so that one of them is being answered whenever it is killed.
  const asked = Array.from({ length: 8 }, async (_, at) => {
    for (let limit = 10 + at; !isOver; limit += 8) {
      // Once it is gone, nobody is there to be connected with.
      const reply = await user.list('tasks', { source: 'all', limit }).catch(() => undefined)
      if (reply?.status === null) cutOff += 1
      isOver ||= reply?.status !== 200
    }
  })
  const heard = async () => (await federation.site.decisions('gateway-b', { action: 'federation:list/tasks' })).length
  const atFirst = await heard()
  await federation.site.until('the lender to be asked', async () => (await heard()) > atFirst + 8, { withinMs: 10_000 })
  await node.kill('gateway')
  await Promise.all(asked)
  expect(cutOff, 'calls that were cut off').toBeGreaterThan(0)
  await node.start('gateway')

  expect(await tablesOf(federation)).toEqual(before)
  expect((await lookedThrough(federation, theirs)).found).toEqual([])
  // It is there again, with the same peer.
  expect((await user.list('tasks', { source })).value.items.length).toBeGreaterThan(0)
})
