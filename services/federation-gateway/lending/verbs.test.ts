import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import type { AdmittedCall } from '../listeners/federation-listener.ts'
import { Patience } from '../storage/patience.ts'
import { sql } from '../storage/statement.ts'
import type { TestDatabase } from '../storage/testing/cluster.ts'
import { databaseForEach } from '../storage/testing/for-each.ts'
import { makeTenant, SCOPE, type TestTenant } from '../storage/testing/tenant.ts'
import { lentGrant } from '../testing/federation.ts'
import { Cursors } from './cursors.ts'
import { lendingVerbs } from './verbs.ts'

let database: TestDatabase
let tenant: TestTenant
databaseForEach(async (mine) => {
  database = mine
  tenant = await makeTenant(mine.owner)
})

const MOST = 5

/** Of a grant of its own for alice, until `signal` says that nobody waits for it. */
function caller() {
  const { tenantId, alice: userId } = tenant
  const rights = { tenantId, userId, teams: [], deniedResources: [], sharePersonal: true }
  const grant = lentGrant({ id: crypto.randomUUID(), tenantId, subjectUserId: userId, scope: SCOPE, rights })
  return (signal = new AbortController().signal) =>
    ({ grant, queryHash: '', signal, patience: new Patience(10_000) }) as unknown as AdmittedCall
}

test('a grant has so many sessions of the database at once, whatever it asks: another one is answered meanwhile', async () => {
  const session = database.app
  const verbs = lendingVerbs({ database: session, source: 'b', cursors: new Cursors(undefined, randomBytes(32)) })
  const [greedy, other] = [caller(), caller()]
  const asking = [
    () => verbs.list(greedy(), 'tasks', { limit: 1 }, undefined),
    () => verbs.search(greedy(), { q: 'x', limit: 1 }),
    () => verbs.get(greedy(), 'tasks', crypto.randomUUID()).catch(({ refusal }) => ({ status: refusal.status })),
  ]
  const gone = new AbortController()
  const asked = await database.owner.transaction(async (locking) => {
    await locking.query(sql`LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE`)
    const pending = Array.from({ length: 30 }, (_, at) => asking[at % 3]!())
    const abandoned = verbs.list(greedy(gone.signal), 'tasks', { limit: 1 }, undefined).catch(({ name }) => name)
    const busy = () => session.load.open - session.load.idle
    await expect.poll(busy).toBe(MOST)
    expect(session.load.waiting).toBe(0)
    expect(await verbs.list(other(), 'notes', { limit: 1 }, undefined)).toMatchObject({ status: 200 })
    gone.abort()
    return { pending, abandoned }
  })
  // Each has its turn, but for whom nobody waits any more.
  const statuses = (await Promise.all(asked.pending)).map(({ status }) => status)
  expect(statuses).toEqual(Array.from({ length: 10 }, () => [200, 200, 404]).flat())
  expect(await asked.abandoned).toBe('AbortError')
})
