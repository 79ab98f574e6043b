import { expect, scenario } from 'holdfast/vitest'
import { type EnrolledPeer, type Federation, federation, type Invited, type Reply, requestFor } from '../federation.ts'
import { expectNotEnrolled, expectRefused, signedFor, storedOf } from '../refusals.ts'

const test = scenario('federation').extend('federation', federation)

const transition = { status: 409, error: 'conflict', guard: 'adm.transition', reason: 'grant_transition' }
const ended = { status: 410, error: 'gone', guard: 'enr.grant', reason: 'token_grant_ended' }
const grants = '/api/admin/federation/grants'

/** What stays as it is; the word of the revocation goes on its way to the CA meanwhile. */
async function lastingOf(federation: Federation, invited: Pick<Invited, 'grantId' | 'peerId'>) {
  const { revocations: _, ...lasting } = await storedOf(federation, invited)
  return lasting
}

/** Either by its grant, or, once the CA has put its certificate on its list, before a byte of HTTP. */
async function expectShutOut(federation: Federation, reply: Reply<unknown>): Promise<void> {
  const why = `${reply.status} ${await federation.reason(reply)}`
  expect(['403 grant_revoked', 'null cert_revoked']).toContain(why)
  expect(reply.body).not.toContain('items')
}

const stages: readonly (readonly [what: string, make: (federation: Federation) => Promise<Invited>])[] = [
  ['was not used yet', (federation) => federation.invite()],
  ['was in use', async (federation) => (await federation.asPeer('scope-a')).grant],
]

test.for(stages)('FED-27: a grant that %s is revoked twice as once', async ([, make], { federation }) => {
  const { grantId, peerId } = await make(federation)
  const admin = await federation.asAdmin('b')
  const once = await admin.revoke(grantId, 'the first reason')
  const before = await lastingOf(federation, { grantId, peerId })

  expect(once).toMatchObject({ status: 'revoked', endReason: 'the first reason' })
  const again = await admin.revoke(grantId, 'another reason')
  const { status, endedAt, endReason, epoch, scope } = once
  expect(again).toMatchObject({ status, endedAt, endReason, epoch, scope })
  expect(await lastingOf(federation, { grantId, peerId })).toEqual(before)
})

test.for(stages)('FED-27: a grant that %s comes back by no call', async ([, make], { federation }) => {
  const invited = await make(federation)
  const { grantId } = invited
  const admin = await federation.asAdmin('b')
  const isActive = (await admin.grant(grantId)).status === 'active'
  const purpose = isActive ? 're-enrolment' : 'enrolment'
  const calls = [
    ['POST', `${grants}/${grantId}/tokens`, { purpose }],
    ['PATCH', `${grants}/${grantId}/scope`, { scope: { resources: ['tasks', 'notes', 'memory'] } }],
  ] as const
  const made: Reply<unknown>[] = []
  for (const [method, path, body] of calls) made.push(await admin.call(method, path, body))
  expect(made.map(({ status }) => status)).toEqual([201, 200])
  const kept = { ...invited, ...(made[0]!.json as { token: string }), request: await requestFor(invited.commonName) }

  await admin.revoke(grantId)
  const before = await lastingOf(federation, invited)
  const signed = (await signedFor(federation, invited)).length
  for (const [method, path, body] of calls) {
    await expectRefused(federation, await admin.call(method, path, body), transition)
  }
  for (const other of ['enrolment', 're-enrolment'] as const) {
    const reply = await admin.try('grant:token', { parameters: { id: grantId }, body: { purpose: other } })
    await expectRefused(federation, reply, transition)
  }
  // Nor by what was made before.
  await expectNotEnrolled(federation, await federation.redeem(kept), ended, kept)
  expect(await lastingOf(federation, invited)).toEqual(before)
  expect(await signedFor(federation, invited)).toHaveLength(signed)
})

test('FED-27: a certificate of a grant that was revoked neither reads nor renews', async ({ federation }) => {
  const [peer, other] = [await federation.asPeer('scope-a'), await federation.asPeer('scope-a')]
  expect((await peer.list('tasks')).status).toBe(200)
  await (await federation.asAdmin('b')).revoke(peer.grant.grantId)
  const before = await lastingOf(federation, peer.grant)

  await expectShutOut(federation, await peer.list('tasks'))
  await expectShutOut(federation, await peer.renew((await requestFor(peer.grant.commonName)).csrPem))
  await expectShutOut(federation, await peer.capabilities())
  const { grant, certificates } = await lastingOf(federation, peer.grant)
  expect({ grant, certificates }).toEqual({ grant: before.grant, certificates: before.certificates })
  // Others read on, and renew.
  expect((await other.list('tasks')).status).toBe(200)
  expect((await other.renew((await requestFor(other.grant.commonName)).csrPem)).status).toBe(200)
})

test('FED-27: the peer may be given another grant, for which the old certificate is worth nothing', async ({
  federation,
}) => {
  const peer: EnrolledPeer = await federation.asPeer('scope-a')
  const admin = await federation.asAdmin('b')
  await admin.revoke(peer.grant.grantId)
  const { peerId, subjectUserId, scope, commonName } = peer.grant
  const { id } = await admin.ask('grant:create', { body: { peerId, subjectUserId, scope } })
  const next = { ...(await admin.invite(id)), request: await requestFor(commonName) }

  expect((await federation.redeem(next)).value.grantId).toBe(id)
  await expectShutOut(federation, await peer.list('tasks'))
  expect((await admin.grant(peer.grant.grantId)).status).toBe('revoked')
})
