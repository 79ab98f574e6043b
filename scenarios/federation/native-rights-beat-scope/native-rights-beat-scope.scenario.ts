import { expect, scenario } from 'holdfast/vitest'
import { type EnrolledPeer, type Federation, federation, type Reply } from '../federation.ts'
import { forbidden, notFound, outOfScope } from '../lending.ts'
import { expectRefused } from '../refusals.ts'
import { broughtIn, type NewTenant } from '../tenants.ts'

const test = scenario('federation').extend('federation', federation)

const everything = ['tasks', 'notes', 'memory', 'credentials', 'teams', 'users'] as const
const seeded = ['tasks', 'notes', 'memory', 'credentials'] as const

/** A grant of everything to a user of a tenant that is this test's own. */
async function lent(federation: Federation) {
  const tenant = await broughtIn(federation)
  const filters = Object.fromEntries(seeded.map((resource) => [resource, { include_personal: true }]))
  const scope = { resources: everything, filters }
  const peer = await federation.enrol({ subject: tenant.named.ada, scope, allowSensitive: true })
  const admin = await federation.asAdmin('b', tenant.name)
  const change = (body: { isDisabled?: boolean; sharePersonal?: boolean; deniedResources?: ('tasks' | 'notes')[] }) =>
    admin.ask('user:change', { parameters: { id: peer.grant.subjectUserId }, body })
  return { tenant, peer, admin, change }
}

const idsOf = async (reply: Promise<Reply<{ items: readonly { id: string }[] }>>) =>
  (await reply).value.items.map(({ id }) => id).sort()
const rowsOf = ({ tenant, peer }: { tenant: NewTenant; peer: EnrolledPeer }, of: 'tasks' | 'notes' | 'credentials') => {
  const [t1, t2] = tenant.teams.map(({ id }) => id)
  const own = tenant[of].filter(({ owner, team }) => owner === peer.grant.subjectUserId && team === undefined)
  const in1 = tenant[of].filter(({ team }) => team === t1)
  const in2 = tenant[of].filter(({ team }) => team === t2)
  return { own: own[0]!.id, in1: in1[0]!.id, in2: in2[0]!.id }
}

test('all that a scope names is lent where the user sees it', async ({ federation }) => {
  const { tenant, peer } = await lent(federation)
  for (const resource of seeded) {
    expect(await idsOf(peer.list(resource)), resource).toEqual(federation.seed('b').visible(tenant.named.ada, resource))
  }
  expect(await idsOf(peer.list('teams'))).toEqual(tenant.teams.map(({ id }) => id).sort())
  expect(await idsOf(peer.list('users'))).toEqual(tenant.users.map(({ id }) => id).sort())
})

test('a user who shares nothing personal, whatever the scope includes', async ({ federation }) => {
  const { tenant, peer, change } = await lent(federation)
  const tasks = rowsOf({ tenant, peer }, 'tasks')
  expect((await peer.get('tasks', tasks.own)).status).toBe(200)

  await change({ sharePersonal: false })
  expect(await idsOf(peer.list('tasks'))).toEqual([tasks.in1, tasks.in2].sort())
  expect(await idsOf(peer.list('memory'))).toEqual([])
  await expectRefused(federation, await peer.get('tasks', tasks.own), notFound('scope.rows', 'row_out_of_scope'))
  expect(await idsOf(peer.search('plan', { resources: ['tasks'] }))).toEqual([tasks.in1, tasks.in2].sort())
  expect((await peer.capabilities()).value.resources).toContain('memory')

  await change({ sharePersonal: true })
  expect((await peer.get('tasks', tasks.own)).status).toBe(200)
})

test('a kind of row that was taken away', async ({ federation }) => {
  const { tenant, peer, change } = await lent(federation)
  const notes = rowsOf({ tenant, peer }, 'notes')
  const found = async () => new Set((await peer.search('plan')).value.items.map(({ resource }) => resource))
  expect(await found()).toEqual(new Set(['tasks', 'notes']))

  await change({ deniedResources: ['notes'] })
  const denied = outOfScope('rbac.resource', 'rbac_denied')
  await expectRefused(federation, await peer.list('notes'), denied)
  await expectRefused(federation, await peer.get('notes', notes.own), denied)
  await expectRefused(federation, await peer.search('plan', { resources: ['tasks', 'notes'] }), denied)
  expect(await found()).toEqual(new Set(['tasks']))
  expect(await idsOf(peer.list('tasks'))).toHaveLength(3)

  await change({ deniedResources: [] })
  expect(await idsOf(peer.list('notes'))).toHaveLength(3)
})

test('a team that the user has left, and keys of one that the user no longer maintains', async ({ federation }) => {
  const { tenant, peer } = await lent(federation)
  const [tasks, keys] = [rowsOf({ tenant, peer }, 'tasks'), rowsOf({ tenant, peer }, 'credentials')]
  const [, second] = tenant.teams
  // No interface of the gateway does this: teams are kept by the lender's own application, in the same database.
  const database = await federation.database('b')
  const member = [second!.id, peer.grant.subjectUserId]
  const become = (role: string) =>
    database.query('UPDATE team_members SET role = $3 WHERE team_id = $1 AND user_id = $2 RETURNING role', [
      ...member,
      role,
    ])
  expect(await idsOf(peer.list('credentials'))).toEqual([keys.own, keys.in2].sort())

  expect(await become('member')).toHaveLength(1)
  expect(await idsOf(peer.list('credentials'))).toEqual([keys.own])
  await expectRefused(federation, await peer.get('credentials', keys.in2), notFound('scope.rows', 'row_not_visible'))
  expect(await idsOf(peer.list('tasks'))).toEqual([tasks.own, tasks.in1, tasks.in2].sort())

  const left = await database.query(
    'DELETE FROM team_members WHERE team_id = $1 AND user_id = $2 RETURNING role',
    member,
  )
  expect(left).toHaveLength(1)
  expect(await idsOf(peer.list('tasks'))).toEqual([tasks.own, tasks.in1].sort())
  await expectRefused(federation, await peer.get('tasks', tasks.in2), notFound('scope.rows', 'row_not_visible'))
  expect(await idsOf(peer.list('teams'))).toEqual([tenant.teams[0]!.id])
})

test('the user as a whole, over a connection that is kept', async ({ federation }) => {
  const { tenant, peer, change } = await lent(federation)
  const atHome = await federation.asUser('b', tenant.named.ada)
  using connection = peer.kept()
  const headers = [['Content-Type', 'application/json'] as const]
  const ask = async () => {
    const { status } = await connection.send({
      method: 'POST',
      path: '/api/federation/v1/list/tasks',
      headers,
      body: '{}',
    })
    return status
  }
  expect([await ask(), (await atHome.list('tasks')).status]).toEqual([200, 200])
  await change({ isDisabled: true })
  expect(await ask()).toBe(403)
  await expectRefused(federation, await peer.list('tasks'), forbidden('grant.user', 'subject_disabled'))
  await expectRefused(federation, await peer.capabilities(), forbidden('grant.user', 'subject_disabled'))
  await expectRefused(federation, await atHome.list('tasks'), forbidden('api.user', 'user_disabled'), {
    secrets: [atHome.token],
  })
  await change({ isDisabled: false })
  expect([await ask(), (await atHome.list('tasks')).status]).toEqual([200, 200])
  expect(connection.opened()).toBe(1)
})
