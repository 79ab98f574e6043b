import { randomUUID } from 'node:crypto'
import { expect, scenario } from 'holdfast/vitest'
import { type Federation, federation, federationPath } from '../federation.ts'
import { likeness, notFound } from '../lending.ts'
import { expectRefused } from '../refusals.ts'

const test = scenario('federation').extend('federation', federation)

type Row = { readonly id: string; readonly owner: string; readonly team?: string }

/** Of a resource of some tenant, the first row that is so. */
function row(federation: Federation, tenant: string, resource: 'tasks' | 'notes', is: (row: Row) => boolean): string {
  return (federation.seed('b').tenant(tenant)[resource] as readonly Row[]).find(is)!.id
}

function rowsFor(federation: Federation) {
  const seed = federation.seed('b')
  const [alice, bob, t1, t2] = [seed.user('alice').id, seed.user('bob').id, seed.team('T1').id, seed.team('T2').id]
  const own = (id: string) => (one: Row) => one.owner === id && one.team === undefined
  return {
    lent: row(federation, 'acme', 'tasks', ({ team }) => team === t1),
    hidden: {
      'no row at all': [randomUUID(), 'row_absent'],
      'a row of another resource': [row(federation, 'acme', 'notes', ({ team }) => team === t1), 'row_absent'],
      'another user’s': [row(federation, 'acme', 'tasks', own(bob)), 'row_not_visible'],
      'another tenant’s': [row(federation, 'globex', 'tasks', () => true), 'row_absent'],
      'her own, which the scope leaves out': [row(federation, 'acme', 'tasks', own(alice)), 'row_out_of_scope'],
      'of a team that the scope leaves out': [
        row(federation, 'acme', 'tasks', ({ team }) => team === t2),
        'row_out_of_scope',
      ],
    } as Readonly<Record<string, readonly [id: string, reason: string]>>,
  }
}

test('whatever is the matter with it, its bytes are those of one that is absent (FED-31, FED-32)', async ({
  federation,
}) => {
  const peer = await federation.asPeer('scope-b')
  const { lent, hidden } = rowsFor(federation)
  const answers: unknown[] = []
  for (const [what, [id, reason]] of Object.entries(hidden)) {
    const reply = await peer.get('tasks', id)
    await expectRefused(federation, reply, notFound('scope.rows', reason), { what })
    expect(reply.body).not.toContain(id)
    answers.push(likeness(reply))
  }
  expect(new Set(answers.map((one) => JSON.stringify(one))).size).toBe(1)
  expect((await peer.get('tasks', lent)).value.item.id).toBe(lent)
})

test('nor does it take another time', async ({ federation }) => {
  const peer = await federation.asPeer('scope-b')
  const { hidden } = rowsFor(federation)
  using connection = peer.kept()
  const headers = [['Content-Type', 'application/json'] as const]
  const times = new Map(Object.keys(hidden).map((what) => [what, [] as number[]]))
  const kinds = Object.entries(hidden)
  // In turns, each with another one first, so that what else this machine does falls on all of them.
  for (let turn = 0; turn < 60; turn += 1) {
    const first = turn % kinds.length
    for (const [what, [id]] of [...kinds.slice(first), ...kinds.slice(0, first)]) {
      const path = `${federationPath}/get/tasks/${id}`
      const { status, ms } = await connection.send({ method: 'POST', path, headers, body: '{}' })
      expect(status).toBe(404)
      times.get(what)!.push(ms)
    }
  }
  // Of each the fast ones: a slow one tells of the machine.
  const fast = [...times.values()].map((all) => all.toSorted((a, b) => a - b)[Math.floor(all.length / 10)]!)
  const spread = Math.max(...fast) - Math.min(...fast)
  // Half as long again, or what a timer cannot tell over a network.
  const boundMs = Math.max(2, Math.min(...fast) / 2)
  expect(federation.site.measured('the slowest kind of row, beyond the fastest', spread, boundMs)).toBeLessThan(boundMs)
})
