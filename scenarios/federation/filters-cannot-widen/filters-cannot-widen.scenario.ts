import { expect, scenario } from 'holdfast/vitest'
import { type EnrolledPeer, type Federation, federation, type ScopeDocument, type Tenant } from '../federation.ts'
import { invalid } from '../lending.ts'
import { expectRefused } from '../refusals.ts'
import { bringIn } from '../tenants.ts'
import { anything, drawFilter, drawNarrow, drawScopes, drawWorld, Lot, type Resource, resources } from './drawn.ts'
import { isAsked, Model } from './model.ts'

const test = scenario('federation').extend('federation', federation)

/** How many scopes are tried for a subject: every way of every filter for the first, and some for the others. */
const scopesOf = [Number.POSITIVE_INFINITY, 4, 3, 0, 3]
const narrowScopesOf = 2
const everyRow = 1000

const idsOf = (rows: readonly { id: string }[]) => rows.map(({ id }) => id)

/** How much was lent, not lent, not asked for: where there is hardly any, nothing was shown. */
type Counts = Record<'refused' | 'lent' | 'byScope' | 'byCaller' | 'pages', number>

/** A user of the lender with the grant that changes. */
interface Lent {
  readonly federation: Federation
  readonly tenant: Tenant
  readonly subject: Tenant['users'][number]
  readonly peer: EnrolledPeer
  readonly model: Model
  readonly lot: Lot
  readonly seen: Counts
  /** What is told with a failure. */
  readonly told: (more: object) => string
}

async function changeScope({ federation, tenant, peer }: Lent, scope: ScopeDocument): Promise<void> {
  const admin = await federation.asAdmin('b', tenant.name)
  await admin.ask('grant:scope', { parameters: { id: peer.grant.grantId }, body: { scope, allowSensitive: true } })
}

/** At home each sees what the model says, in that order: else nothing follows from what is lent. */
async function compareAtHome({ federation, subject, model, told }: Lent): Promise<void> {
  const user = await federation.asUser('b', subject.name)
  for (const resource of resources) {
    const reply = await user.list(resource, { source: 'local', limit: everyRow })
    if (model.isDenied(resource)) expect(reply.status, told({ resource })).toBe(403)
    else expect(idsOf(reply.value.items), told({ resource })).toEqual(idsOf(model.atHome(resource)))
  }
}

/** All of a resource page by page, a part of it that a caller asks for, and one row of any that there are. */
async function compare(lent: Lent, scope: ScopeDocument, resource: Resource): Promise<void> {
  const { federation, tenant, peer, model, lot, seen } = lent
  const [filter, limit] = [drawFilter(lot, resource, idsOf(tenant.teams)), lot.one([1, 2, 50, everyRow])]
  const what = lent.told({ scope, resource, filter, limit })
  const refusal = model.refusal(resource, scope)
  if (refusal !== undefined) {
    const reply = await peer.list(resource, { limit, filter })
    expect([reply.status, await federation.reason(reply)], what).toEqual([403, refusal])
    seen.refused += 1
    return
  }
  const all = model.lent(resource, scope)
  expect(idsOf(await peer.all(resource, { limit: everyRow })), what).toEqual(idsOf(all))

  const asked = all.filter((row) => isAsked(row, filter))
  const most = Math.min(limit, scope.max_rows_per_query!)
  const page = (await peer.list(resource, { limit, filter })).value
  expect(idsOf(page.items), what).toEqual(idsOf(asked).slice(0, most))
  expect([page._truncated, page.nextCursor !== null], what).toEqual(Array(2).fill(asked.length > most))
  if (page.nextCursor !== null) expect(idsOf(await peer.all(resource, { limit, filter })), what).toEqual(idsOf(asked))

  const single = lot.one(idsOf(tenant[resource]))
  expect((await peer.get(resource, single)).status, `${what}: ${single}`).toBe(idsOf(all).includes(single) ? 200 : 404)
  const seenAtHome = model.atHome(resource).length
  seen.lent += all.length
  seen.byScope += seenAtHome - all.length
  seen.byCaller += all.length - asked.length
  seen.pages += all.length > scope.max_rows_per_query! || asked.length > most ? 1 : 0
}

/** Of all that a grant lends, without a word of which resources. */
async function compareSearch({ peer, model, told }: Lent, scope: ScopeDocument): Promise<void> {
  const lends = resources.filter((resource) => model.refusal(resource, scope) === undefined)
  const all = lends.flatMap((resource) => idsOf(model.lent(resource, scope)).map((id) => `${resource} ${id}`))
  const { items, _truncated } = (await peer.search(anything, { limit: everyRow })).value
  const found = items.map(({ resource, id }) => `${resource} ${id}`)
  const most = Math.min(all.length, scope.max_rows_per_query!)
  expect(new Set(found).size, told({ scope })).toBe(most)
  expect(all, told({ scope })).toEqual(expect.arrayContaining(found))
  expect(_truncated, told({ scope })).toBe(all.length > most)
}

async function tryScopes(lent: Lent, many: number): Promise<void> {
  await compareAtHome(lent)
  const { lot, tenant, peer, told } = lent
  const teams = idsOf(tenant.teams)
  const narrow = Array.from({ length: narrowScopesOf }, () => drawNarrow(lot, teams))
  for (const scope of [...drawScopes(lot, teams).slice(0, many), ...narrow]) {
    await changeScope(lent, scope)
    for (const resource of resources) await compare(lent, scope, resource)
    await compareSearch(lent, scope)
    const { resources: shown } = (await peer.capabilities()).value
    const granted = scope.resources.filter((name) => !scope.excluded_resources!.includes(name))
    expect(shown.toSorted(), told({ scope })).toEqual(granted.toSorted())
  }
}

test('whatever is drawn of data, scopes and requests, what comes is what the subject sees at home and both let through', async ({
  federation,
}) => {
  const lot = new Lot()
  const tenant = drawWorld(lot)
  await bringIn(federation, tenant)
  federation.seed('b').add(tenant)
  const gone = tenant.users.at(-1)!.id
  await (await federation.asAdmin('b', tenant.name)).ask('user:delete', { parameters: { id: gone } })

  const seen: Counts = { refused: 0, lent: 0, byScope: 0, byCaller: 0, pages: 0 }
  const tries = tenant.users.slice(0, scopesOf.length).map((subject) => ({ subject, lot: lot.apart() }))
  await Promise.all(
    tries.map(async ({ subject, lot: own }, at) => {
      if (scopesOf[at] === 0) return
      const scope: ScopeDocument = { resources: ['tasks'] }
      const peer = await federation.enrol({ subject: subject.name, scope })
      const told = (more: object) => JSON.stringify({ seed: lot.seed, subject: at, ...more })
      const model = new Model(tenant, subject.id, gone)
      await tryScopes({ federation, tenant, subject, peer, model, lot: own, seen, told }, scopesOf[at]!)
    }),
  )
  for (const [what, count] of Object.entries(seen)) expect(count, `${what}, seed ${lot.seed}`).toBeGreaterThan(10)
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
