import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { ListFilter } from '../wire/requests.ts'
import { decide } from './decide.ts'
import { readScope, type Scope } from './document.ts'
import { matches, type Rights, type Tried } from './predicate.ts'
import { RESOURCES, type Resource, ROLES, type Role, TASK_STATUSES } from './resources.ts'

// A federated answer against a second, independent telling of the rules: a small world of rows, and loops over them. Nothing of the
// model is taken from the code under test but the names of resources.

const uuid = (letter: string, number: number) =>
  `${letter.repeat(8)}-0000-4000-8000-${String(number).padStart(12, '0')}`
const USERS = [0, 1, 2].map((number) => uuid('a', number))
const TEAMS = [0, 1, 2].map((number) => uuid('b', number))
const TIMES = [0, 1, 2, 3].map((number) => `2026-01-31T09:00:00.00000${number}Z`)

interface World {
  members: { user: string; team: string; role: Role }[]
  rows: { [Name in Resource]: Row[] }
  sharePersonal: boolean
  denied: Resource[]
}
interface Row {
  id: string
  owner: string
  team: string | null
  status: string
  at: string
}

const maybe = <Value>(value: fc.Arbitrary<Value>) => fc.option(value, { nil: undefined, freq: 2 })
const row = (letter: string) => (number: number) =>
  fc.record({
    id: fc.constant(uuid(letter, number)),
    owner: fc.constantFrom(USERS[0]!, ...USERS),
    team: fc.constantFrom(null, ...TEAMS),
    status: fc.constantFrom(...TASK_STATUSES),
    at: fc.constantFrom(...TIMES),
  })
const rows = (letter: string) => fc.tuple(...[0, 1, 2, 3, 4, 5].map(row(letter)))
const named = (ids: string[], letter: string) =>
  fc.tuple(...ids.map((id, number) => row(letter)(number).map((made) => ({ ...made, id }))))

const world: fc.Arbitrary<World> = fc.record({
  members: fc.uniqueArray(
    fc.record({
      user: fc.constantFrom(...USERS),
      team: fc.constantFrom(...TEAMS),
      role: fc.constantFrom(...ROLES),
    }),
    { selector: ({ user, team }) => `${user} ${team}`, minLength: 3, maxLength: 9 },
  ),
  rows: fc.record({
    ...{ tasks: rows('c'), notes: rows('d'), memory: rows('e'), credentials: rows('f') },
    ...{ teams: named(TEAMS, 'b'), users: named(USERS, 'a') },
  }),
  sharePersonal: fc.boolean(),
  denied: fc.subarray([...RESOURCES], { maxLength: 1 }),
})

const rowFilter = fc.record({ include_teams: maybe(fc.subarray(TEAMS)), include_personal: maybe(fc.boolean()) })
const scope: fc.Arbitrary<Scope> = fc
  .record({
    resources: fc.subarray([...RESOURCES], { minLength: 3 }),
    excluded: fc.subarray([...RESOURCES], { maxLength: 1 }),
    max: fc.integer({ min: 1, max: 1000 }),
    filters: fc.tuple(...RESOURCES.map(() => maybe(rowFilter))),
  })
  .map(({ resources, excluded, max, filters }) => {
    const named = RESOURCES.map((name, at) => [name, filters[at]] as const)
    const own = named.filter(([name, filter]) => resources.includes(name) && filter !== undefined)
    const document = {
      resources,
      excluded_resources: excluded,
      max_rows_per_query: max,
      filters: Object.fromEntries(own),
    }
    const reading = readScope(document)
    if (reading.scope === undefined) throw new Error(JSON.stringify(reading.issues))
    return reading.scope
  })

const filter: fc.Arbitrary<ListFilter> = fc.record({
  status: maybe(fc.constantFrom(...TASK_STATUSES)),
  teamId: maybe(fc.constantFrom(...TEAMS)),
  createdAfter: maybe(fc.constantFrom(...TIMES)),
  createdBefore: maybe(fc.constantFrom(...TIMES)),
})
const request = fc.record({
  resource: fc.constantFrom(...RESOURCES),
  filter: maybe(filter),
  limit: fc.integer({ min: 1, max: 1000 }),
})
const ALL = { numRuns: 4000 }
const ME = USERS[0]!

function rightsIn({ members, sharePersonal, denied }: World): Rights {
  const teams = members.filter(({ user }) => user === ME).map(({ team, role }) => ({ id: team, role }))
  return { tenantId: uuid('9', 1), userId: ME, teams, deniedResources: denied, sharePersonal }
}

/** A row as the tables have it: what a resource has no column for is not there. */
function tried(resource: Resource, row: Row, { members }: World): Tried {
  const { id, owner, team, status, at } = row
  if (resource === 'users') {
    return { id, createdAt: at, teams: members.filter(({ user }) => user === id).map((member) => member.team) }
  }
  if (resource === 'teams') return { id, createdAt: at }
  if (resource === 'memory') return { id, ownerId: owner, createdAt: at }
  return { id, ownerId: owner, teamId: team, createdAt: at, ...(resource === 'tasks' && { status }) }
}

// ---- the model ----

const roleOf = (world: World, user: string, team: string) =>
  world.members.find((member) => member.user === user && member.team === team)?.role
const isPersonal = (resource: Resource, row: Row) => resource === 'memory' || row.team === null

function modelNative(resource: Resource, row: Row, world: World): boolean {
  if (world.denied.includes(resource)) return false
  if (resource === 'teams') return roleOf(world, ME, row.id) !== undefined
  if (resource === 'users') {
    if (row.id === ME) return true
    return TEAMS.some((team) => roleOf(world, ME, team) !== undefined && roleOf(world, row.id, team) !== undefined)
  }
  if (isPersonal(resource, row)) return row.owner === ME
  const role = roleOf(world, ME, row.team!)
  return resource === 'credentials' ? role === 'maintainer' : role !== undefined
}

function modelLent(resource: Resource, row: Row, world: World, scope: Scope): boolean {
  const { include_teams: teams, include_personal: personal } = scope.filters[resource] ?? {}
  const isTeamLent = (team: string) => teams === undefined || teams.includes(team)
  const isPersonalLent = personal !== false && world.sharePersonal
  if (resource === 'teams') return isTeamLent(row.id)
  if (resource === 'users') {
    const shared = TEAMS.filter((team) => roleOf(world, ME, team) && roleOf(world, row.id, team))
    return shared.some(isTeamLent) || (row.id === ME && isPersonalLent)
  }
  return isPersonal(resource, row) ? isPersonalLent : isTeamLent(row.team!)
}

function modelAsked(resource: Resource, row: Row, filter: ListFilter = {}): boolean {
  const hasTeam = ['tasks', 'notes', 'credentials'].includes(resource)
  if (filter.status !== undefined && (resource !== 'tasks' || row.status !== filter.status)) return false
  if (filter.teamId !== undefined && (!hasTeam || row.team !== filter.teamId)) return false
  if (filter.createdAfter !== undefined && row.at <= filter.createdAfter) return false
  return filter.createdBefore === undefined || row.at < filter.createdBefore
}

// ---- the properties ----

test('a federated answer is what the subject sees natively, less what the grant does not lend, less what was not asked for', () => {
  const seen = { lent: 0, byScope: 0, byCaller: 0 }
  fc.assert(
    fc.property(world, scope, request, (world, scope, request) => {
      const { resource } = request
      const decision = decide(scope, rightsIn(world), request)
      const isGranted = scope.resources.includes(resource) && !scope.excluded_resources.includes(resource)
      expect(decision.allowed).toBe(isGranted && !world.denied.includes(resource))
      if (!decision.allowed) return
      for (const row of world.rows[resource]) {
        const native = modelNative(resource, row, world)
        expect(matches(decision.native, tried(resource, row, world))).toBe(native)
        const [lent, asked] = [modelLent(resource, row, world, scope), modelAsked(resource, row, request.filter)]
        const expected = native && lent && asked
        expect(matches(decision.predicate, tried(resource, row, world))).toBe(expected)
        seen.lent += expected ? 1 : 0
        seen.byScope += native && !lent ? 1 : 0
        seen.byCaller += native && lent && !asked ? 1 : 0
      }
    }),
    ALL,
  )
  // Worlds in which nothing is lent, or nothing taken away, would prove nothing.
  expect(Math.min(seen.lent, seen.byScope, seen.byCaller)).toBeGreaterThan(500)
})

test('it is a subset of the native rows, and a filter of the caller or of the scope takes rows away only', () => {
  fc.assert(
    fc.property(world, scope, request, (world, scope, request) => {
      const rights = rightsIn(world)
      const rowsOf = (scope: Scope, asked: typeof request) => {
        const decision = decide(scope, rights, asked)
        const all = world.rows[request.resource]
        if (!decision.allowed) return []
        return all.filter((row) => matches(decision.predicate, tried(request.resource, row, world)))
      }
      const answer = rowsOf(scope, request)
      for (const row of answer) expect(modelNative(request.resource, row, world)).toBe(true)
      const [unfiltered, unscoped] = [
        rowsOf(scope, { ...request, filter: undefined }),
        rowsOf({ ...scope, filters: {} }, request),
      ]
      for (const row of answer) expect([unfiltered.includes(row), unscoped.includes(row)]).toEqual([true, true])
    }),
    ALL,
  )
})

test('the limit is never more than the grant allows or than was asked for', () => {
  fc.assert(
    fc.property(scope, request, (scope, request) => {
      const decision = decide(
        { ...scope, excluded_resources: [] },
        { ...rightsIn({ members: [], rows: {} as never, sharePersonal: true, denied: [] }) },
        request,
      )
      if (decision.allowed) expect(decision.limit).toBe(Math.min(request.limit, scope.max_rows_per_query))
    }),
  )
})

test('nobody sees a row of a team that he has left, and no credential of one that he does not maintain', () => {
  const world = {
    members: [{ user: ME, team: TEAMS[0]!, role: 'member' as const }],
    ...{ sharePersonal: true, denied: [], rows: {} as never },
  }
  const of = (resource: Resource, team: string) => {
    const scope = readScope({ resources: [resource], filters: {} }).scope!
    const decision = decide(scope, rightsIn(world), { resource, limit: 1 })
    const row = { id: uuid('c', 1), owner: ME, team, status: 'open', at: TIMES[0]! }
    return decision.allowed && matches(decision.predicate, tried(resource, row, world))
  }
  expect([of('tasks', TEAMS[0]!), of('tasks', TEAMS[1]!)]).toEqual([true, false])
  expect([of('credentials', TEAMS[0]!), of('credentials', TEAMS[1]!)]).toEqual([false, false])
})
