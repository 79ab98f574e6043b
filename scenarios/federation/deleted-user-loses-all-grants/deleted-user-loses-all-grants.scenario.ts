import { expect, scenario } from 'holdfast/vitest'
import { federate, inboundPeer, newUser } from '../asking.ts'
import { type Federation, federation, identityFrom, requestFor } from '../federation.ts'
import { expectNotEnrolled, expectRefused } from '../refusals.ts'

const test = scenario('federation').extend('federation', federation)

const scope = { resources: ['tasks'] as const }
const lenderName = 'gateway-b.somebiz.local.io'

/** A grant of a peer of its own, for a user that no seed has. */
async function invite(federation: Federation, subjectUserId: string) {
  const admin = await federation.asAdmin('b')
  const commonName = federation.newName()
  const { id: peerId } = await admin.ask('peer:register', { body: { commonName } })
  const { id: grantId } = await admin.ask('grant:create', { body: { peerId, subjectUserId, scope: { ...scope } } })
  const { token } = await admin.invite(grantId)
  return { commonName, peerId, grantId, token, request: await requestFor(commonName) }
}

test('with a user of the lender all grants for him end, and nobody else’s', async ({ federation }) => {
  const admin = await federation.asAdmin('b')
  const { id, user } = await newUser(federation, 'b')
  const [used, waiting] = [await invite(federation, id), await invite(federation, id)]
  const { certPem: certificate, keyPem: key } = identityFrom((await federation.redeem(used)).value, used.request.keyPem)
  const peer = await federation.connect({ certificate, key })
  const colleague = await federation.asPeer('scope-a', { subject: 'bob' })
  expect([(await peer.list('tasks')).status, (await user.list('tasks')).status]).toEqual([200, 200])

  expect(await admin.ask('user:delete', { parameters: { id } })).toEqual({ id, removedPeers: [] })
  for (const { grantId } of [used, waiting]) {
    expect(await admin.grant(grantId)).toMatchObject({ status: 'revoked', endReason: 'subject_deleted' })
  }
  const shutOut = await peer.list('tasks')
  const why = `${shutOut.status} ${await federation.reason(shutOut)}`
  expect(['403 grant_revoked', 'null cert_revoked']).toContain(why)
  const ended = { status: 410, error: 'gone', guard: 'enr.grant', reason: 'token_grant_ended' }
  await expectNotEnrolled(federation, await federation.redeem(waiting), ended, waiting)
  const withdrawn = { status: 401, error: 'invalid_token', guard: 'api.token', reason: 'bearer_withdrawn' }
  await expectRefused(federation, await user.list('tasks'), withdrawn, { secrets: [user.token] })

  // Nobody gets a grant for him any more, and those of others stand.
  const body = { peerId: used.peerId, subjectUserId: id, scope: { ...scope } }
  const absent = { status: 404, error: 'not_found', guard: 'api.tenant', reason: 'object_absent' }
  await expectRefused(federation, await admin.try('grant:create', { body }), absent)
  expect((await colleague.list('tasks')).status).toBe(200)
  expect((await admin.grant(colleague.grant.grantId)).status).toBe('active')
})

test('with a user of the asking gateway its keys for him are gone, and nobody else’s', async ({ federation }) => {
  const [lender, asker] = [await federation.asAdmin('b'), await federation.asAdmin('a')]
  const { id, user } = await newUser(federation)
  const body = {
    peerId: await inboundPeer(federation),
    subjectUserId: federation.seed('b').user('carol').id,
    scope: { ...scope },
  }
  const { id: grantId } = await lender.ask('grant:create', { body })
  const { enrollmentUrl, token } = await lender.invite(grantId)
  const { id: peerId, state } = await federate(federation, { grantId, enrollmentUrl, token, ownerUserId: id })
  expect(state).toBe('active')
  const source = `federated:${lenderName}` as const
  expect((await user.list('tasks', { source })).value._sources).toMatchObject([{ source, state: 'ok' }])
  expect(await keysOf(federation, peerId)).toEqual([{ peers: 1, keys: 1 }])

  const deleted = await asker.ask('user:delete', { parameters: { id } })
  expect(deleted).toEqual({ id, removedPeers: [peerId] })
  expect(await keysOf(federation, peerId)).toEqual([{ peers: 0, keys: 0 }])
  const refused = await user.list('tasks', { source })
  expect([refused.status, await federation.reason(refused, 'a')]).toEqual([401, 'bearer_withdrawn'])
  expect((await asker.try('peer:show', { parameters: { id: peerId } })).status).toBe(404)
  // Somebody else asks the same lender as before.
  const alice = await federation.asUser('a', 'alice')
  expect((await alice.list('tasks', { source })).value._sources).toMatchObject([{ source, state: 'ok' }])
})

async function keysOf(federation: Federation, peerId: string) {
  const text = `SELECT (SELECT count(*)::int FROM federation_peers WHERE id = $1) AS peers,
    (SELECT count(*)::int FROM federation_peer_credentials WHERE peer_id = $1) AS keys`
  return (await federation.database('a')).query(text, [peerId])
}
