import { expect, scenario } from 'holdfast/vitest'
import { type EnrolledPeer, type Federation, federation, type ScopeDocument } from '../federation.ts'
import { invalid } from '../lending.ts'
import { expectRefused } from '../refusals.ts'
import { type Drawn, type Filter, Lot, type Resource, resources } from './drawn.ts'

const test = scenario('federation').extend('federation', federation)

const subjects = ['alice', 'bob', 'carol', 'erin'] as const
const scopesOfEach = 15
const requestsOfEach = 3
/** Words of which each row has one. */
const anything = 'plan OR remembers OR alice OR bob OR carol OR erin OR T1 OR T2'

/** What the model looks at of a row. */
interface Row {
  readonly id: string
  readonly teamId?: string | null
  readonly status?: string
  readonly createdAt: string
}

/** A user of the lender, with all that it sees there by its own query. */
interface Home {
  readonly id: string
  readonly shares: boolean
  /** Teams of each user. */
  readonly teamsOf: (id: string) => readonly string[]
  /** In their order; undefined: taken away. */
  readonly rows: Readonly<Record<Resource, readonly Row[] | undefined>>
}

async function homeOf(federation: Federation, name: string): Promise<Home> {
  const { id, tenant, sharePersonal = true } = federation.seed('b').user(name)
  const user = await federation.asUser('b', name)
  const rowsOf = async (resource: Resource) => {
    const reply = await user.list(resource, { source: 'local', limit: 1000 })
    return [resource, reply.status === 403 ? undefined : reply.value.items] as const
  }
  return {
    id,
    shares: sharePersonal,
    teamsOf: (one) =>
      tenant.teams.filter(({ members }) => members.some(({ user }) => user === one)).map((team) => team.id),
    rows: Object.fromEntries(await Promise.all(resources.map(rowsOf))) as unknown as Home['rows'],
  }
}

function isLent(resource: Resource, { id, teamId = null }: Row, { filters = {} }: ScopeDocument, home: Home): boolean {
  const { include_teams: included, include_personal: personal = true } = filters[resource] ?? {}
  const ofTeam = (team: string) => home.teamsOf(home.id).includes(team) && (included?.includes(team) ?? true)
  const ofPerson = personal && home.shares
  if (resource === 'teams') return ofTeam(id)
  if (resource === 'users') return (id === home.id && ofPerson) || home.teamsOf(id).some(ofTeam)
  return teamId === null ? ofPerson : ofTeam(teamId)
}

function isAsked({ teamId, status, createdAt }: Row, asked: Filter): boolean {
  return (
    (asked.teamId === undefined || teamId === asked.teamId) &&
    (asked.status === undefined || status === asked.status) &&
    (asked.createdAfter === undefined || createdAt > asked.createdAfter) &&
    (asked.createdBefore === undefined || createdAt < asked.createdBefore)
  )
}

const idsOf = (rows: readonly { id: string }[]) => rows.map(({ id }) => id)

/** How many rows were lent, not lent, not asked for: where there are hardly any, nothing was shown. */
const seen = { refused: 0, lent: 0, byScope: 0, byCaller: 0, pages: 0 }

/** A list, a search and each single row, against the model. */
async function compare(
  federation: Federation,
  peer: EnrolledPeer,
  home: Home,
  scope: ScopeDocument,
  { seed, resource, limit, filter }: Drawn,
): Promise<void> {
  const what = JSON.stringify({ seed, subject: home.id, scope, resource, limit, filter })
  const native = home.rows[resource]
  const isExcluded = scope.excluded_resources?.includes(resource) ?? false
  if (isExcluded || !scope.resources.includes(resource) || native === undefined) {
    const left = scope.resources.includes(resource) ? 'rbac_denied' : 'resource_not_granted'
    const reply = await peer.list(resource, { limit, filter })
    expect([reply.status, await federation.reason(reply)], what).toEqual([403, isExcluded ? 'resource_excluded' : left])
    seen.refused += 1
    return
  }
  const lent = native.filter((row) => isLent(resource, row, scope, home))
  const expected = idsOf(lent.filter((row) => isAsked(row, filter)))
  const most = Math.min(limit, scope.max_rows_per_query!)
  const first = (await peer.list(resource, { limit, filter })).value
  expect(idsOf(first.items), what).toEqual(expected.slice(0, most))
  expect([first._truncated, first.nextCursor !== null], what).toEqual(Array(2).fill(expected.length > most))
  if (first.nextCursor !== null) expect(idsOf(await peer.all(resource, { limit, filter })), what).toEqual(expected)

  const hits = (await peer.search(anything, { resources: [resource], limit })).value
  const found = idsOf(hits.items)
  expect(found, what).toHaveLength(Math.min(most, lent.length))
  expect(idsOf(lent), what).toEqual(expect.arrayContaining(found))
  expect(hits._truncated, what).toBe(lent.length > most)

  const single = native.at(-1)
  if (single !== undefined) {
    const { status } = await peer.get(resource, single.id)
    expect(status, `${what}: ${single.id}`).toBe(lent.includes(single) ? 200 : 404)
  }
  seen.lent += expected.length
  seen.byScope += native.length - lent.length
  seen.byCaller += lent.length - expected.length
  seen.pages += first.nextCursor === null ? 0 : 1
}

test('whatever is drawn of scopes and requests, what comes is the local rows of the subject that both let through', async ({
  federation,
}) => {
  const admin = await federation.asAdmin('b')
  const teams = ['T1', 'T2'].map((team) => federation.seed('b').team(team).id)
  const lot = new Lot()
  for (const subject of subjects) {
    const peer = await federation.asPeer('scope-all', { subject, allowSensitive: true })
    const home = await homeOf(federation, subject)
    const times = Object.values(home.rows).flatMap((rows) => rows?.map(({ createdAt }) => createdAt) ?? [])
    for (let round = 0; round < scopesOfEach; round += 1) {
      const scope = lot.scope({ teams })
      await admin.ask('grant:scope', { parameters: { id: peer.grant.grantId }, body: { scope, allowSensitive: true } })
      for (let request = 0; request < requestsOfEach; request += 1)
        await compare(federation, peer, home, scope, lot.request({ teams, times }, scope))
    }
  }
  for (const [what, count] of Object.entries(seen)) expect(count, what).toBeGreaterThan(3)
})

test('what would widen a filter is no part of a request, and the same list without it is answered', async ({
  federation,
}) => {
  const peer = await federation.asPeer('scope-b')
  const seed = federation.seed('b')
  const lent = seed.visible('alice', 'tasks', peer.grant.scope.filters!.tasks)
  const personal = seed
    .visible('alice', 'tasks')
    .filter((id) => !seed.visible('alice', 'tasks', { include_personal: false }).includes(id))
  const ofT1 = seed.team('T1').id
  const filters: readonly unknown[] = [
    { include_personal: true },
    { include_teams: [ofT1, seed.team('T2').id] },
    { teamId: null },
    { teamId: [ofT1, seed.team('T2').id] },
    { teamId: { $in: [seed.team('T2').id] } },
    { teamId: `${ofT1}' OR 'a'='a` },
    { id: personal[0] },
    { ids: personal },
    { or: [{}, { teamId: seed.team('T2').id }] },
    { not: { teamId: ofT1 } },
    { ownerId: seed.user('alice').id },
    { status: '*' },
    null,
  ]
  const bodies = [...filters.map((filter) => ({ filter })), { sort: 'owner_id' }, { ids: personal }, { filters: {} }]
  for (const body of bodies) {
    const reply = await peer.list('tasks', body as never)
    await expectRefused(federation, reply, invalid('http.body', 'body_schema'), { what: JSON.stringify(body) })
  }
  expect(idsOf((await peer.list('tasks', { filter: { teamId: ofT1 } })).value.items).sort()).toEqual(lent)
  for (const id of personal) expect((await peer.get('tasks', id)).status).toBe(404)
})
