import { expect, scenario } from 'holdfast/vitest'
import { lend } from '../asking.ts'
import { type Federation, federation } from '../federation.ts'

const test = scenario('federation', { waits: true }).extend('federation', federation)

const rounds = 350
const subjects = ['alice', 'bob', 'carol']

type Employee = Awaited<ReturnType<typeof employee>>

/** Who asks, with the ids that are lent to his subject, and the markers of all other rows. */
async function employee(federation: Federation, subject: string) {
  const seed = federation.seed('b')
  const filter = seed.user(subject).sharePersonal === false ? { include_personal: false } : {}
  const [tasks, notes] = [seed.visible(subject, 'tasks', filter), seed.visible(subject, 'notes', filter)]
  const own = [...tasks, ...notes]
  return { subject, tasks, own: new Set(own), foreign: seed.markersBut(own), ...(await lend(federation, { subject })) }
}

test('thousands of calls of three users, interleaved: each sees what is lent to its own subject', async ({
  federation,
}) => {
  const asking: Employee[] = []
  // One after the other: they share the peer that their gateway is to the lender.
  for (const subject of subjects) asking.push(await employee(federation, subject))
  const wrong: unknown[] = []
  let calls = 0
  const each = async ({ subject, user, source, own, tasks, foreign }: Employee) => {
    for (let round = 0; round < rounds; round += 1) {
      const replies = [
        await user.list(round % 2 === 0 ? 'tasks' : 'notes', { source }),
        await user.getRow('tasks', tasks[round % tasks.length]!, { source }),
      ]
      calls += replies.length
      for (const reply of replies) {
        const { items = [], item } = (reply.json ?? {}) as { items?: { id: string }[]; item?: { id: string } }
        const ids = [...items, ...(item ? [item] : [])].map(({ id }) => id)
        const isGood = reply.status === 200 && ids.length > 0 && ids.every((id) => own.has(id))
        const strange = foreign.filter((marker) => reply.body.includes(marker))
        if (!isGood || strange.length > 0) wrong.push({ subject, status: reply.status, ids, strange })
      }
    }
  }
  await Promise.all(asking.map(each))
  expect(wrong).toEqual([])
  expect(calls).toBe(rounds * subjects.length * 2)

  const database = await federation.database('b')
  for (const { subject, grantId } of asking) {
    const read = () =>
      database.query<{ subject: string; n: number }>(
        `SELECT subject_user_id AS subject, count(*)::int AS n FROM federation_audit_log
         WHERE grant_id = $1 AND verb IN ('list', 'get', 'capabilities') GROUP BY 1`,
        [grantId],
      )
    // Every second call asks for a row, and each of those is asked at the lender.
    const isWhole = async () => (await read()).reduce((sum, { n }) => sum + n, 0) >= rounds
    await federation.site.until('the audit to have all', isWhole, { withinMs: 10_000 })
    expect((await read()).map((row) => row.subject)).toEqual([federation.seed('b').user(subject).id])
  }
})
