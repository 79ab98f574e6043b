import { expect, scenario } from 'holdfast/vitest'
import { federation, federationPath } from '../federation.ts'
import { invalid, notFound, outOfScope, refusal, stateOf } from '../lending.ts'
import { expectRefused } from '../refusals.ts'

const test = scenario('federation').extend('federation', federation)

const list = `${federationPath}/list/tasks`
const json = [['Content-Type', 'application/json'] as const]
const largest = 16_384

test('a resource has one spelling (FED-28)', async ({ federation }) => {
  const peer = await federation.asPeer('scope-a')
  const row = (await peer.list('tasks')).value.items[0]!.id
  const names = ['Tasks', 'TASKS', 'task', 'tasks%00', 'tasks%20', '%74asks', 'tasks;', 'tasks,notes', '__proto__']
  for (const name of [...names, 'constructor', 'toString', 'public.tasks', 'federation_grants', '*']) {
    const refused = notFound('scope.resource', 'resource_unknown')
    await expectRefused(federation, await peer.list(name as 'tasks'), refused, { what: `list ${name}` })
    await expectRefused(federation, await peer.get(name as 'tasks', row), refused, { what: `get ${name}` })
    await expectRefused(federation, await peer.search('plan', { resources: [name] }), refused, {
      what: `search ${name}`,
    })
  }
  expect((await peer.get('tasks', row)).value.item.id).toBe(row)
})

test('a verb has one path and one method (FED-35)', async ({ federation }) => {
  const peer = await federation.asPeer('scope-a')
  expect((await peer.list('tasks')).status).toBe(200)
  const state = await stateOf(federation, [peer.grant.grantId])
  const unknown = notFound('http.route', 'route_unknown')
  for (const path of [
    '/',
    '/list',
    '/list/',
    '/list/tasks/',
    '/list/tasks/x',
    '//list/tasks',
    '/LIST/tasks',
    '/get/tasks',
    '/delete/tasks',
    '/update/tasks',
    '/../v1/list/tasks',
  ]) {
    const reply = await peer.call({ method: 'POST', path: `${federationPath}${path}`, json: {} })
    await expectRefused(federation, reply, unknown, { what: path })
  }
  const wrong = refusal(405, 'method_not_allowed')('http.route', 'method_unknown')
  for (const method of ['GET', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
    const reply = await peer.call({ method, path: list })
    await expectRefused(federation, reply, wrong, { what: `${method} list` })
    expect(reply.header('allow')).toBe('POST')
  }
  const posted = await peer.call({ method: 'POST', path: `${federationPath}/capabilities`, json: {} })
  await expectRefused(federation, posted, wrong, { what: 'POST capabilities' })
  expect(posted.header('allow')).toBe('GET, HEAD')
  expect(await stateOf(federation, [peer.grant.grantId])).toEqual(state)
  expect((await peer.call({ method: 'POST', path: list, json: {} })).status).toBe(200)
})

test('a body has one type, one size and one shape (FED-35)', async ({ federation }) => {
  const peer = await federation.asPeer('scope-a')
  const send = (body: string, headers: readonly (readonly [string, string])[] = json) =>
    peer.call({ method: 'POST', path: list, body, headers })
  const sized = (bytes: number) => `{${' '.repeat(bytes - 2)}}`
  const type = refusal(415, 'unsupported_media_type')('http.body', 'content_type')
  for (const value of [
    'text/plain',
    'application/x-www-form-urlencoded',
    'application/jsonx',
    'application/json, text/plain',
    '',
  ]) {
    await expectRefused(federation, await send('{}', [['Content-Type', value]]), type, { what: `type "${value}"` })
  }
  await expectRefused(federation, await send('{}', []), type, { what: 'no type' })
  expect((await send(sized(largest))).status).toBe(200)
  const large = refusal(413, 'payload_too_large')('http.body', 'body_too_large')
  await expectRefused(federation, await send(sized(largest + 1)), large, { what: 'one byte too many' })
  for (const text of ['', '{', '{"limit":1', "{'limit':1}", '{"limit":01}', '{} {}', 'undefined']) {
    await expectRefused(federation, await send(text), invalid('http.body', 'body_malformed'), { what: text })
  }
  const shapes = [
    '[]',
    'null',
    '"x"',
    '1',
    '{"limit":0}',
    '{"limit":1001}',
    '{"limit":1.5}',
    '{"limit":"5"}',
    '{"Limit":1}',
    '{"cursor":""}',
    '{"filter":{"status":"Open"}}',
    '{"filter":{"createdAfter":"yesterday"}}',
    '{"limit":null}',
  ]
  for (const text of shapes) {
    await expectRefused(federation, await send(text), invalid('http.body', 'body_schema'), { what: text })
  }
  for (const id of [
    '1',
    'null',
    '%00',
    '..',
    '00000000-0000-0000-0000-000000000000',
    crypto.randomUUID().toUpperCase(),
  ]) {
    const reply = await peer.get('tasks', id)
    await expectRefused(federation, reply, invalid('http.body', 'id_malformed'), { what: id })
  }
  expect((await send('{"limit":1000}')).status).toBe(200)
})

test('so has one of an administrator, and of a user', async ({ federation }) => {
  const [admin, user] = [await federation.asAdmin('b'), await federation.asUser('b', 'alice')]
  const name = `user-${crypto.randomUUID()}`
  const isThere = async () => (await admin.ask('user:list')).items.some((one) => one.name === name)
  const bodies = [
    { path: '/api/query/list/tasks', token: user.token, text: '{}', most: largest },
    { path: '/api/admin/users', token: admin.token, text: JSON.stringify({ name }), most: 4 * largest },
  ]
  for (const { path, token, text, most } of bodies) {
    const send = (body: string, headers: readonly (readonly [string, string])[] = json) =>
      admin.bare({ method: 'POST', path, body, headers: [...headers, ['Authorization', `Bearer ${token}`]] })
    const type = refusal(415, 'unsupported_media_type')('api.body', 'api_content_type')
    for (const value of ['text/plain', 'application/jsonx', 'application/json, text/plain', '']) {
      const reply = await send(text, [['Content-Type', value]])
      await expectRefused(federation, reply, type, { what: `${path}: type "${value}"` })
    }
    await expectRefused(federation, await send(text, []), type, { what: `${path}: no type` })
    const large = refusal(413, 'payload_too_large')('api.body', 'api_too_large')
    await expectRefused(federation, await send(text.padEnd(most + 1)), large, { what: `${path}: one byte too many` })
    expect(await isThere()).toBe(false)
    expect((await send(text.padEnd(most))).status).toBeLessThan(300)
  }
  expect(await isThere()).toBe(true)
})

test('capabilities are the scope of the grant, and an epoch (FED-34)', async ({ federation }) => {
  const told = async (scope: 'scope-a' | 'scope-b' | 'scope-c') =>
    (await (await federation.asPeer(scope)).capabilities()).value
  const verbs = {
    supported_verbs: expect.arrayContaining(['list', 'get', 'search', 'capabilities']),
    max_rows_per_query: 100,
  }
  expect(await told('scope-a')).toMatchObject({
    ...verbs,
    resources: ['tasks', 'notes'],
    excluded_resources: [],
    grant_expires_at: null,
  })
  expect(await told('scope-b')).toMatchObject({ ...verbs, resources: ['tasks'], excluded_resources: [] })
  expect(await told('scope-c')).toMatchObject({ ...verbs, resources: ['tasks'], excluded_resources: ['credentials'] })

  const peer = await federation.asPeer('scope-a')
  const first = await peer.capabilities()
  const etag = first.header('etag')!
  const again = (value: string) => peer.capabilities({ headers: [['If-None-Match', value]] })
  expect(await again(etag)).toMatchObject({ status: 304, body: '' })
  expect((await again('"0"')).status).toBe(200)
  await (await federation.asAdmin('b')).changeScope(peer.grant.grantId, { resources: ['notes'], max_rows_per_query: 5 })
  const changed = await again(etag)
  expect(changed.value).toMatchObject({ resources: ['notes'], max_rows_per_query: 5 })
  expect(changed.header('etag')).not.toBe(etag)
  await expectRefused(federation, await peer.list('tasks'), outOfScope('scope.granted', 'resource_not_granted'))
})

test('without a right to anything of it, a grant still says what it is for, and gives nothing', async ({
  federation,
}) => {
  const peer = await federation.enrol({ subject: 'erin', scope: { resources: ['notes'] } })
  expect((await peer.capabilities()).status).toBe(200)
  await expectRefused(federation, await peer.list('notes'), outOfScope('rbac.resource', 'rbac_denied'))
  expect((await peer.search('plan')).value.items).toEqual([])
})
