import { expect, scenario } from 'holdfast/vitest'
import { type EnrolledPeer, type Federation, federation, type Reply } from '../federation.ts'
import { likeness, outOfScope, stateOf } from '../lending.ts'
import { expectRefused } from '../refusals.ts'

const test = scenario('federation').extend('federation', federation)

type Resource = Parameters<EnrolledPeer['list']>[0]
const rowsOf = (federation: Federation, resource: 'credentials' | 'memory') =>
  federation.seed('b').visible('alice', resource)

/** Every way to something of a resource. */
async function tried(peer: EnrolledPeer, resource: Resource, ids: readonly string[]): Promise<Reply<unknown>[]> {
  return [
    await peer.list(resource),
    await peer.list(resource, { limit: 1 }),
    ...(await Promise.all(ids.map((id) => peer.get(resource, id)))),
    await peer.search('alice', { resources: [resource] }),
    await peer.search('alice', { resources: ['tasks', resource] }),
  ]
}

test('listed and excluded is excluded (FED-28, FED-29)', async ({ federation }) => {
  const peer = await federation.asPeer('scope-c')
  expect(peer.grant.scope).toMatchObject({ resources: ['tasks', 'credentials'], excluded_resources: ['credentials'] })
  expect((await peer.list('tasks')).status).toBe(200)
  const state = await stateOf(federation, [peer.grant.grantId])
  const ids = rowsOf(federation, 'credentials')
  expect(ids).toHaveLength(2)

  const refused = await tried(peer, 'credentials', ids)
  for (const reply of refused) await expectRefused(federation, reply, outOfScope('scope.excluded', 'resource_excluded'))
  expect(new Set(refused.map((reply) => JSON.stringify(likeness(reply)))).size).toBe(1)

  expect((await peer.capabilities()).value).toMatchObject({ resources: ['tasks'], excluded_resources: ['credentials'] })
  const found = await peer.search('alice')
  expect(new Set(found.value.items.map(({ resource }) => resource))).toEqual(new Set(['tasks']))
  const strange = federation.seed('b').markersBut(federation.seed('b').visible('alice', 'tasks'))
  const all = [found.body, (await peer.list('tasks')).body].join('\n')
  expect(strange.filter((marker) => all.includes(marker))).toEqual([])
  expect(await stateOf(federation, [peer.grant.grantId])).toEqual(state)
})

test('what a scope does not name is refused like what it excludes', async ({ federation }) => {
  const peer = await federation.asPeer('scope-c')
  const [excluded] = await tried(peer, 'credentials', [])
  for (const resource of ['notes', 'memory', 'teams', 'users'] as const) {
    const ids = resource === 'memory' ? rowsOf(federation, 'memory') : []
    for (const reply of await tried(peer, resource, ids)) {
      await expectRefused(federation, reply, outOfScope('scope.granted', 'resource_not_granted'), { what: resource })
      expect(likeness(reply)).toEqual(likeness(excluded!))
    }
  }
  expect((await peer.list('tasks')).value.items).toHaveLength(6)
})

test('lent with consent, a credential comes without its secret', async ({ federation }) => {
  const peer = await federation.asPeer('scope-all', { allowSensitive: true })
  const ids = rowsOf(federation, 'credentials')
  const listed = await peer.list('credentials')
  expect(listed.value.items.map(({ id }) => id).sort()).toEqual(ids)
  const secrets = federation
    .seed('b')
    .tenants.flatMap(({ credentials }) => (credentials as readonly { secret?: string }[]).map(({ secret }) => secret!))
  expect(secrets.every((secret) => /^mark[0-9a-f]{20}$/.test(secret))).toBe(true)
  const rows = await Promise.all(ids.map((id) => peer.get('credentials', id)))
  const found = await peer.search('alice', { resources: ['credentials'] })
  expect(found.value.items.map(({ id }) => id)).toEqual([expect.stringMatching(/./)])
  const all = [listed, ...rows, found].map(({ body }) => body).join('\n')
  expect(secrets.filter((secret) => all.includes(secret))).toEqual([])
})
