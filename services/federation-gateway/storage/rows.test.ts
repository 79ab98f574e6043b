import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { decide } from '../scope/decide.ts'
import { readScope, type Scope } from '../scope/document.ts'
import { matches, nativeRows, type Rights, type Tried } from '../scope/predicate.ts'
import { RESOURCES, type Resource, ROLES, type Role, TASK_STATUSES } from '../scope/resources.ts'
import type { Rows } from '../scope/sql.ts'
import { ROWS } from '../wire/answers.ts'
import type { Position } from '../wire/cursor.ts'
import type { ListFilter } from '../wire/requests.ts'
import { importSeed } from './import.ts'
import { nativeUser } from './rights.ts'
import { getRow, listRows, searchRows } from './rows.ts'
import { type Seed, seedSchema } from './seed.ts'
import { sql } from './statement.ts'
import { type Cluster, startCluster, type TestDatabase } from './testing/cluster.ts'

let cluster: Cluster
let database: TestDatabase
beforeAll(async () => {
  cluster = await startCluster()
  database = await cluster.database()
}, 120_000)
afterAll(async () => {
  await database[Symbol.asyncDispose]()
  await cluster[Symbol.asyncDispose]()
})

const uuid = () => crypto.randomUUID() as string
/** Few, so that many rows share one, and some differ by a microsecond only. */
const INSTANTS = ['000000', '000001', '000002', '999999'].map((decimals) => `2026-01-31T09:00:00.${decimals}Z`)
const USERS = 4
const TEAMS = 3

/** Two tenants, the second one of others. Rows name users and teams by their place in the tenant. */
const place = fc.record({
  owner: fc.nat(USERS - 1),
  team: fc.option(fc.nat(TEAMS - 1)),
  createdAt: fc.constantFrom(...INSTANTS),
  status: fc.constantFrom(...TASK_STATUSES),
})
const tenantData = fc.record({
  members: fc.uniqueArray(fc.tuple(fc.nat(TEAMS - 1), fc.nat(USERS - 1), fc.constantFrom(...ROLES)), {
    selector: ([team, user]) => `${team}.${user}`,
    maxLength: 8,
  }),
  sharePersonal: fc.boolean(),
  denied: fc.subarray([...RESOURCES], { maxLength: 2 }),
  rows: fc.array(place, { minLength: 1, maxLength: 14 }),
})
type TenantData = typeof tenantData extends fc.Arbitrary<infer Value> ? Value : never

const filterData = fc.record(
  {
    include_teams: fc.uniqueArray(fc.nat(TEAMS - 1), { maxLength: TEAMS }),
    include_personal: fc.boolean(),
  },
  { requiredKeys: [] },
)
const askedData = fc.record(
  {
    status: fc.constantFrom(...TASK_STATUSES),
    team: fc.nat(TEAMS - 1),
    createdAfter: fc.constantFrom(...INSTANTS),
    createdBefore: fc.constantFrom(...INSTANTS),
  },
  { requiredKeys: [] },
)

interface Built {
  readonly seed: Seed['tenants'][number]
  readonly teams: string[]
  readonly users: string[]
}

function build(data: TenantData): Built {
  const [users, teams] = [Array.from({ length: USERS }, uuid), Array.from({ length: TEAMS }, uuid)]
  const personal = (row: TenantData['rows'][number]) => ({
    ...{ id: uuid(), owner: users[row.owner]!, createdAt: row.createdAt },
  })
  const owned = (row: TenantData['rows'][number]) => ({
    ...personal(row),
    team: row.team === null ? null : teams[row.team]!,
  })
  const tenantId = uuid()
  const { tenants } = seedSchema.parse({
    tenants: [
      {
        id: tenantId,
        name: tenantId,
        users: users.map((id, at) => ({
          ...{ id, name: `user-${at}`, displayName: `User ${at}`, createdAt: INSTANTS[at % INSTANTS.length] },
          ...(at === 0 && { sharePersonal: data.sharePersonal, deniedResources: data.denied }),
        })),
        teams: teams.map((id, at) => ({
          ...{ id, name: `team-${at}`, createdAt: INSTANTS[at % INSTANTS.length] },
          members: data.members
            .filter(([team]) => team === at)
            .map(([, user, role]) => ({ user: users[user]!, role: role as Role })),
        })),
        tasks: data.rows.map((row) => ({ ...owned(row), title: 'a task', status: row.status })),
        notes: data.rows.map((row) => ({ ...owned(row), title: 'a note' })),
        memory: data.rows.map((row) => ({ ...personal(row), text: 'a memory' })),
        credentials: data.rows.map((row) => ({ ...owned(row), name: 'a key', kind: 'k', secret: 'marker-secret' })),
      },
    ],
  })
  return { seed: tenants[0]!, users, teams }
}

/** Rows of one resource as the model sees them, in the order of lists. */
function modelled({ seed }: Built, resource: Resource): (Tried & { id: string; createdAt: string })[] {
  const teamsOf = (user: string) =>
    seed.teams.filter(({ members }) => members.some((member) => member.user === user)).map(({ id }) => id)
  const rows: { id: string; createdAt?: string }[] = seed[resource]
  return rows
    .map((row) => {
      const { owner, team, status } = row as { owner?: string; team?: string | null; status?: string }
      return {
        ...{ id: row.id, createdAt: row.createdAt!, ownerId: owner ?? null, teamId: team ?? null },
        ...{ status: status ?? null, ...(resource === 'users' && { teams: teamsOf(row.id) }) },
      }
    })
    .toSorted((one, other) => {
      const [a, b] = [`${one.createdAt} ${one.id}`, `${other.createdAt} ${other.id}`]
      return a < b ? 1 : -1
    })
}

async function pagesOf(rows: Rows, limit: number) {
  const found = []
  for (let below: Position | undefined, more = true; more; ) {
    const page = await listRows(database.app, rows, limit, below)
    expect(page.rows.length).toBeLessThanOrEqual(limit)
    found.push(...page.rows)
    below = page.next
    more = below !== undefined
  }
  return found
}

test('lists and gets answer what the model says, whatever the data, the scope and the request', async () => {
  const property = fc.asyncProperty(
    tenantData,
    tenantData,
    filterData,
    askedData,
    fc.integer({ min: 1, max: 6 }),
    async (own, others, narrowed, asked, limit) => {
      const [built, foreign] = [build(own), build(others)]
      await importSeed(database.owner, { tenants: [built.seed, foreign.seed] })
      const who = { tenantId: built.seed.id, userId: built.users[0]! }
      const { rights } = (await nativeUser(database.app, who))!
      expect(rights).toEqual(rightsIn(built, own))
      for (const resource of RESOURCES) {
        const scope = scopeFor(resource, narrowed, built)
        const hasTeam = ['tasks', 'notes', 'credentials'].includes(resource)
        const { team, status, ...times } = asked
        const filter: ListFilter = {
          ...times,
          ...(hasTeam && team !== undefined && { teamId: built.teams[team]! }),
          ...(resource === 'tasks' && status !== undefined && { status }),
        }
        const decision = decide(scope, rights, { resource, filter, limit })
        expect(decision.allowed).toBe(!own.denied.includes(resource))
        if (!decision.allowed) continue
        const rows = { resource, ...who, predicate: decision.predicate, native: decision.native }
        const model = modelled(built, resource)
        const expected = model.filter((row) => matches(decision.predicate, row)).map(({ id }) => id)
        const listed = await pagesOf(rows, limit)
        expect(listed.map(({ id }) => id)).toEqual(expected)
        for (const row of listed) expect(ROWS[resource].safeParse(row).error).toBeUndefined()
        // What is federated is what the subject sees natively, or less.
        const local = await pagesOf({ ...rows, predicate: nativeRows(resource, rights) }, limit)
        expect(local.map(({ id }) => id)).toEqual(expect.arrayContaining(expected))
        for (const row of model.slice(0, 4)) {
          const { isThere, isVisible, isLent, row: got } = await getRow(database.app, rows, row.id)
          expect({ isThere, isVisible, isLent, id: got?.id }).toEqual({
            ...{ isThere: true, isVisible: matches(decision.native, row), isLent: expected.includes(row.id) },
            id: expected.includes(row.id) ? row.id : undefined,
          })
        }
        const absent = { isThere: false, isVisible: false, isLent: false, row: undefined }
        expect(await getRow(database.app, rows, modelled(foreign, resource)[0]!.id)).toEqual(absent)
      }
    },
  )
  await fc.assert(property, { numRuns: 25, interruptAfterTimeLimit: 60_000 })
}, 120_000)

function rightsIn({ seed, users, teams }: Built, data: TenantData): Rights {
  const own = data.members
    .filter(([, user]) => user === 0)
    .map(([team, , role]) => ({ id: teams[team]!, role: role as Role }))
  return {
    ...{ tenantId: seed.id, userId: users[0]!, deniedResources: data.denied, sharePersonal: data.sharePersonal },
    teams: own.toSorted((one, other) => (one.id < other.id ? -1 : 1)),
  }
}

function scopeFor(
  resource: Resource,
  { include_teams: teams, include_personal: personal }: { include_teams?: number[]; include_personal?: boolean },
  built: Built,
): Scope {
  const filter = {
    ...(teams !== undefined && { include_teams: teams.map((at) => built.teams[at]!) }),
    ...(personal !== undefined && { include_personal: personal }),
  }
  return readScope({ resources: [resource], filters: { [resource]: filter } }).scope!
}

describe('a search', () => {
  const [tenantId, alice, bob] = [uuid(), uuid(), uuid()]
  const all: Rights = { tenantId, userId: alice, teams: [], deniedResources: [], sharePersonal: true }
  const searched = (resources: readonly Resource[]) =>
    resources.map((resource) => ({
      ...{ resource, tenantId, userId: alice, predicate: nativeRows(resource, all) },
    }))

  beforeAll(async () => {
    const user = (id: string, name: string) => ({ id, name, displayName: name, email: `${name}@quince.test` })
    const owned = (owner: string) => ({ id: uuid(), owner })
    const seed = seedSchema.parse({
      tenants: [
        {
          id: tenantId,
          name: 'searched',
          users: [user(alice, 'alice'), user(bob, 'bob')],
          tasks: [
            { ...owned(alice), title: 'buy a quince', body: 'quince, quince' },
            { ...owned(alice), title: 'pears', body: 'and one quince' },
            { ...owned(bob), title: 'quince of bob' },
          ],
          notes: [{ ...owned(alice), title: 'The Apple', body: '' }],
          memory: [{ ...owned(alice), text: 'apple tart' }],
          credentials: [{ ...owned(alice), name: 'orchard', kind: 'key', secret: 'quince' }],
        },
      ],
    })
    await importSeed(database.owner, seed)
  })
  const found = async (q: string, resources: readonly Resource[] = RESOURCES, limit = 10) => {
    const { hits, isCut } = await searchRows(database.app, searched(resources), q, limit)
    return { hits: hits.map(({ resource, title }) => `${resource}: ${title}`), isCut }
  }

  test('finds words of visible rows alone, the best first; never of a secret or an e-mail address', async () => {
    expect(await found('quince')).toEqual({ hits: ['tasks: buy a quince', 'tasks: pears'], isCut: false })
    expect((await found('orchard')).hits).toEqual(['credentials: orchard'])
    expect((await found('alice')).hits).toEqual(['users: alice'])
  })

  test('goes through the resources that it is given, and cuts what is too much', async () => {
    expect((await found('APPLE', ['notes'])).hits).toEqual(['notes: The Apple'])
    expect((await found('apple')).hits.toSorted()).toEqual(['memory: apple tart', 'notes: The Apple'])
    expect(await found('quince', RESOURCES, 1)).toEqual({ hits: ['tasks: buy a quince'], isCut: true })
    expect(await found('quince', [])).toEqual({ hits: [], isCut: false })
  })

  test('takes whatever a caller writes', async () => {
    expect((await found('quince -pears')).hits).toEqual(['tasks: buy a quince'])
    expect((await found('"one quince" or tart')).hits.toSorted()).toEqual(['memory: apple tart', 'tasks: pears'])
    for (const q of [`'`, '"', ':*', '!!', '&', '\\', "'; DROP TABLE tasks; --"])
      expect((await found(q)).hits).toEqual([])
  })
})

test('the gateway cannot read the secret of a credential', async () => {
  await expect(database.app.query(sql`SELECT secret FROM credentials`)).rejects.toThrow(/permission denied/)
  await expect(database.app.query(sql`SELECT name FROM credentials`)).resolves.toBeDefined()
})
