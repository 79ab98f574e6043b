import { expect, scenario } from 'holdfast/vitest'
import { type Federation, federation, type Reply } from '../federation.ts'
import { expectRefused, storedOf } from '../refusals.ts'

const test = scenario('federation').extend('federation', federation)

const grants = '/api/admin/federation/grants'
const absent = crypto.randomUUID()
const scope = { resources: ['tasks'] }
const invalid = { status: 422, error: 'invalid_scope', guard: 'adm.scope', reason: 'scope_invalid' }
const without = ({ body, error }: Reply<unknown>) => body.replace(error!.requestId, '')

interface Theirs {
  readonly peerId: string
  readonly grantId: string
  readonly userId: string
  /** Of the tenant that asks. */
  readonly own: { readonly peerId: string; readonly userId: string }
}

/** What one administrator has, and what another has who is to find nothing of it. */
async function twoTenants(federation: Federation) {
  const { peerId, grantId, subjectUserId: userId } = await federation.invite({ subject: 'alice' })
  const admin = await federation.asAdmin('b', 'globex')
  const own = await federation.invite({ subject: 'dave' })
  const theirs: Theirs = { peerId, grantId, userId, own: { peerId: own.peerId, userId: own.subjectUserId } }
  return { admin, owner: await federation.asAdmin('b', 'acme'), theirs }
}

type Asked = readonly [method: string, path: string, body?: object]
const foreign: readonly (readonly [what: string, asked: (of: Theirs) => Asked])[] = [
  ['a grant for its peer', ({ peerId, own }) => ['POST', grants, { peerId, subjectUserId: own.userId, scope }]],
  ['a grant for its user', ({ userId, own }) => ['POST', grants, { peerId: own.peerId, subjectUserId: userId, scope }]],
  ['its grant', ({ grantId }) => ['GET', `${grants}/${grantId}`]],
  ['a scope for its grant', ({ grantId }) => ['PATCH', `${grants}/${grantId}/scope`, { scope }]],
  ['the end of its grant', ({ grantId }) => ['PATCH', `${grants}/${grantId}/revoke`, {}]],
  ['a token for its grant', ({ grantId }) => ['POST', `${grants}/${grantId}/tokens`, {}]],
  ['its peer', ({ peerId }) => ['GET', `/api/admin/federation/peers/${peerId}`]],
  ['its peer to be gone', ({ peerId }) => ['DELETE', `/api/admin/federation/peers/${peerId}`]],
  ['a token for its user', ({ userId }) => ['POST', `/api/admin/users/${userId}/tokens`, {}]],
  ['its user to be gone', ({ userId }) => ['DELETE', `/api/admin/users/${userId}`]],
]

test.for(foreign)('FED-48: of another tenant nobody gets %s', async ([, asked], { federation }) => {
  const { admin, theirs } = await twoTenants(federation)
  const before = await storedOf(federation, theirs)
  const [method, path, body] = asked(theirs)

  const reply = await admin.call(method, path, body)
  await expectRefused(federation, reply, {
    ...{ status: 404, error: 'not_found', guard: 'api.tenant', reason: 'object_other_tenant' },
  })
  // As what never was.
  const never = asked({ ...theirs, peerId: absent, grantId: absent, userId: absent })
  const nothing = await admin.call(...never)
  await expectRefused(federation, nothing, {
    ...{ status: 404, error: 'not_found', guard: 'api.tenant', reason: 'object_absent' },
  })
  expect(without(reply)).toBe(without(nothing))
  expect(await storedOf(federation, theirs)).toEqual(before)
})

test('FED-48: what is asked of its own tenant is answered', async ({ federation }) => {
  const { admin, owner, theirs } = await twoTenants(federation)

  expect((await admin.ask('grant:list', { query: { peer: theirs.own.peerId } })).items).toHaveLength(1)
  expect((await owner.grant(theirs.grantId)).peerId).toBe(theirs.peerId)
  const listed = (await admin.ask('grant:list')).items.map(({ id }) => id)
  expect(listed).not.toContain(theirs.grantId)
  const body = { peerId: theirs.own.peerId, subjectUserId: theirs.own.userId, scope }
  expect((await admin.try('grant:create', { body })).status).toBe(201)
})

test('FED-48: a team of another tenant is in no scope', async ({ federation }) => {
  const { owner, theirs } = await twoTenants(federation)
  const team = (tenant: string) => federation.seed('b').tenant(tenant).teams[0]!.id
  const offer = (id: string) => {
    const offered = { resources: ['tasks'], filters: { tasks: { include_teams: [id] } } }
    return owner.post(grants, { peerId: theirs.peerId, subjectUserId: theirs.userId, scope: offered })
  }
  const unknown = { ...invalid, reason: 'scope_team_unknown' }
  const [foreign, none] = [await offer(team('globex')), await offer(absent)]
  await expectRefused(federation, foreign, unknown)
  expect(foreign.error!.details).toMatchObject([{ path: 'filters.tasks.include_teams' }])
  await expectRefused(federation, none, unknown)
  expect(without(foreign).replace(team('globex'), '')).toBe(without(none).replace(absent, ''))
  expect((await offer(team('acme'))).status).toBe(201)
})

const many = Array.from({ length: 5_000 }, () => 'tasks')
const documents: readonly (readonly [what: string, document: string, paths: readonly string[]])[] = [
  ['a member that is not declared', '{"resources":["tasks"],"rows":5}', ['rows']],
  ['__proto__', '{"resources":["tasks"],"__proto__":{"resources":["users"]}}', ['__proto__']],
  ['no resource', '{"resources":[]}', ['resources']],
  ['no list of resources', '{}', ['resources']],
  ['a wildcard', '{"resources":["*"]}', ['resources.0']],
  ['a resource that there is none of', '{"resources":["tasks","secrets"]}', ['resources.1']],
  ['a resource in capitals', '{"resources":["Tasks"]}', ['resources.0']],
  ['a resource twice', '{"resources":["tasks","tasks"]}', ['resources.1']],
  ['five thousand resources', JSON.stringify({ resources: many }), ['resources']],
  ['a cap of 0', '{"resources":["tasks"],"max_rows_per_query":0}', ['max_rows_per_query']],
  ['a cap below 0', '{"resources":["tasks"],"max_rows_per_query":-1}', ['max_rows_per_query']],
  ['a cap of 1001', '{"resources":["tasks"],"max_rows_per_query":1001}', ['max_rows_per_query']],
  ['a cap of a billion', '{"resources":["tasks"],"max_rows_per_query":1e9}', ['max_rows_per_query']],
  ['a cap that is a text', '{"resources":["tasks"],"max_rows_per_query":"100"}', ['max_rows_per_query']],
  ['half a row', '{"resources":["tasks"],"max_rows_per_query":1.5}', ['max_rows_per_query']],
  ['a filter of what is not granted', '{"resources":["tasks"],"filters":{"notes":{}}}', ['filters.notes']],
  ['a filter of what there is none of', '{"resources":["tasks"],"filters":{"all":{}}}', ['filters.all']],
  ['__proto__ as a filter', '{"resources":["tasks"],"filters":{"__proto__":{}}}', ['filters.__proto__']],
  [
    'a filter by something else',
    '{"resources":["tasks"],"filters":{"tasks":{"where":"1=1"}}}',
    ['filters.tasks.where'],
  ],
  [
    'a team that is no UUID',
    '{"resources":["tasks"],"filters":{"tasks":{"include_teams":["T1"]}}}',
    ['filters.tasks.include_teams.0'],
  ],
  ['a list', '[]', ['']],
  ['nothing', 'null', ['']],
  [
    'three mistakes at once',
    '{"resources":["*"],"max_rows_per_query":0,"rows":5}',
    ['resources.0', 'max_rows_per_query', 'rows'],
  ],
]

test.for(documents)('FED-30: a scope with %s is refused', async ([, document, paths], { federation }) => {
  const { grantId, peerId, subjectUserId } = await federation.invite()
  const admin = await federation.asAdmin('b')
  const stored = { peerId, grantId }
  const before = await storedOf(federation, stored)
  const { items: others } = await admin.ask('grant:list', { query: { peer: peerId } })
  const offer = async (members: string) => {
    const made = `{"peerId":"${peerId}","subjectUserId":"${subjectUserId}",${members}}`
    const headers = [
      ['Authorization', `Bearer ${admin.token}`],
      ['Content-Type', 'application/json'],
    ] as const
    return [
      await admin.bare({ method: 'POST', path: grants, body: made, headers }),
      await admin.bare({ method: 'PATCH', path: `${grants}/${grantId}/scope`, body: `{${members}}`, headers }),
    ] as const
  }

  for (const reply of await offer(`"scope":${document}`)) {
    await expectRefused(federation, reply, invalid)
    const details = reply.error!.details as { path: string }[]
    expect(details.map(({ path }) => path).sort()).toEqual(paths.toSorted())
  }
  expect(await storedOf(federation, stored)).toEqual(before)
  expect((await admin.ask('grant:list', { query: { peer: peerId } })).items).toEqual(others)
  const good = await offer(`"scope":${JSON.stringify(scope)}`)
  expect(good.map(({ status }) => status)).toEqual([201, 200])
})

test('FED-30: what is sensitive is lent by whoever says so, or excluded', async ({ federation }) => {
  const { peerId, subjectUserId } = await federation.invite()
  const admin = await federation.asAdmin('b')
  const offer = (offered: object, more = {}) => admin.post(grants, { peerId, subjectUserId, scope: offered, ...more })

  const reply = await offer({ resources: ['tasks', 'credentials'] })
  await expectRefused(federation, reply, { ...invalid, reason: 'scope_sensitive' })
  expect(reply.error!.details).toMatchObject([{ path: 'resources.1' }])
  expect((await offer({ resources: ['tasks', 'credentials'] }, { allowSensitive: true })).status).toBe(201)
  expect((await offer({ resources: ['credentials'], excluded_resources: ['credentials'] })).status).toBe(201)
})

test('FED-29: what is granted and excluded is excluded, and whoever makes the grant is told', async ({
  federation,
}) => {
  const peer = await federation.enrol({ scope: { resources: ['tasks', 'notes'], excluded_resources: ['notes'] } })
  const { warnings } = await (await federation.asAdmin('b')).grant(peer.grant.grantId)

  expect(warnings).toEqual([expect.stringContaining('notes')])
  const excluded = { status: 403, error: 'scope_violation', guard: 'scope.excluded', reason: 'resource_excluded' }
  await expectRefused(federation, await peer.list('notes'), excluded)
  expect((await peer.list('tasks')).status).toBe(200)
  expect((await peer.capabilities()).value).toMatchObject({ resources: ['tasks'], excluded_resources: ['notes'] })
})
