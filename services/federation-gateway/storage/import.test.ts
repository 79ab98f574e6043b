import { expect, test } from 'vitest'
import { type ImportProgress, importSeed } from './import.ts'
import { type Seed, type SeedFile, seedSchema } from './seed.ts'
import { sql } from './statement.ts'
import type { TestDatabase } from './testing/cluster.ts'
import { databaseForEach } from './testing/for-each.ts'

let database: TestDatabase
databaseForEach((mine) => {
  database = mine
})

const uuid = () => crypto.randomUUID() as string
const counts = async () => {
  const tables = ['tenants', 'users', 'teams', 'team_members', 'tasks', 'notes', 'memory', 'credentials']
  const columns = tables.map((table) => `(SELECT count(*) FROM ${table}) AS ${table}`)
  return (await database.owner.query({ text: `SELECT ${columns.join(', ')}`, values: [] }))[0]
}

function seed(tasks = 3): Seed {
  const [alice, bob, team] = [uuid(), uuid(), uuid()]
  const owned = { owner: alice, team, createdAt: '2026-01-31T09:00:00.000001Z' }
  const file: SeedFile = {
    tenants: [
      {
        id: uuid(),
        name: 'acme',
        users: [
          { id: alice, name: 'alice', displayName: 'Alice', email: 'alice@acme.test' },
          { id: bob, name: 'bob', displayName: 'Bob', sharePersonal: false, deniedResources: ['memory', 'notes'] },
        ],
        teams: [{ id: team, name: 'T1', members: [{ user: alice, role: 'member' }] }],
        tasks: Array.from({ length: tasks }, (_, at) => ({ ...owned, id: uuid(), title: `task ${at}` })),
        notes: [{ ...owned, id: uuid(), title: 'note', body: 'text' }],
        memory: [{ id: uuid(), owner: bob, text: 'memory' }],
        credentials: [{ ...owned, id: uuid(), name: 'key', kind: 'api', secret: 's' }],
      },
      { id: uuid(), name: 'globex' },
    ],
  }
  return seedSchema.parse(file)
}
const ALL = { tenants: 2, users: 2, teams: 1, team_members: 1, tasks: 3, notes: 1, memory: 1, credentials: 1 }

test('a seed comes in as it is written, and tells how far it is', async () => {
  const progress: ImportProgress[] = []
  expect(await importSeed(database.owner, seed(), (now) => progress.push(now))).toEqual({ stored: 12 })
  expect(await counts()).toEqual(ALL)
  expect(progress.map(({ done }) => done)).toEqual([1, 3, 4, 5, 8, 9, 10, 11, 12])
  expect(new Set(progress.map(({ total }) => total))).toEqual(new Set([12]))
  const [task] = await database.app.query(sql`
    SELECT status, body, to_char(updated_at AT TIME ZONE 'UTC', 'HH24:MI:SS.US') AS updated FROM tasks LIMIT 1`)
  expect(task).toEqual({ status: 'open', body: '', updated: '09:00:00.000001' })
  const [bob] = await database.app.query(sql`SELECT share_personal, denied_resources FROM users WHERE name = 'bob'`)
  expect(bob).toEqual({ share_personal: false, denied_resources: ['memory', 'notes'] })
})

test('a seed that came in is not brought in again, many at once neither: what was changed since stays', async () => {
  const given = seed()
  const all = await Promise.all(Array.from({ length: 4 }, () => importSeed(database.owner, given)))
  expect(all.reduce((sum, { stored }) => sum + stored, 0)).toBe(12)
  await database.owner.query(sql`DELETE FROM team_members`)
  await database.owner.query(sql`UPDATE users SET share_personal = false, disabled_at = now()`)
  expect(await importSeed(database.owner, given)).toEqual({ stored: 0 })
  expect(await counts()).toEqual({ ...ALL, team_members: 0 })
})

test('a seed that was interrupted goes on where it was', async () => {
  const given = seed(1_700)
  const killed = importSeed(database.owner, given, ({ done }) => {
    if (done >= 1_000) throw new Error('killed')
  })
  await expect(killed).rejects.toThrow('killed')
  expect(await counts()).toMatchObject({ tasks: 1_000, notes: 0 })
  await database.owner.query(sql`DELETE FROM team_members`)
  expect(await importSeed(database.owner, given)).toEqual({ stored: 704 })
  expect(await counts()).toEqual({ ...ALL, tasks: 1_700, team_members: 0 })
})

test('rows that name somebody of another tenant do not come in', async () => {
  const [given, other] = [seed(), seed()]
  await importSeed(database.owner, { tenants: [{ ...other.tenants[0]!, name: 'other' }] })
  const [tenant] = given.tenants as [Seed['tenants'][0]]
  const stranger = other.tenants[0]!.users[0]!.id
  const spoiled = { ...tenant, tasks: tenant.tasks.map((task) => ({ ...task, owner: stranger })) }
  await expect(importSeed(database.owner, { tenants: [spoiled] })).rejects.toThrow(/foreign key/)
})

test.each<[string, (tenant: Record<string, unknown>) => void]>([
  ['an unknown member', (tenant) => void Object.assign(tenant, { more: 1 })],
  ['an id that is none', (tenant) => void Object.assign(tenant, { id: 'acme' })],
  [
    'a role that is none',
    (tenant) =>
      void Object.assign(tenant, { teams: [{ id: uuid(), name: 'T', members: [{ user: uuid(), role: 'boss' }] }] }),
  ],
  ['a text that no database takes', (tenant) => void Object.assign(tenant, { name: 'a\0b' })],
  [
    'a time that is none',
    (tenant) => void Object.assign(tenant, { memory: [{ id: uuid(), owner: uuid(), text: '', createdAt: 'now' }] }),
  ],
])('a seed with %s is none', (_, spoil) => {
  const tenant = { id: uuid(), name: 'acme' }
  expect(seedSchema.safeParse({ tenants: [tenant] }).success).toBe(true)
  spoil(tenant)
  expect(seedSchema.safeParse({ tenants: [tenant] }).success).toBe(false)
})
