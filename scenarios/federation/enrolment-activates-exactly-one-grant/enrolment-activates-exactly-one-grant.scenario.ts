import { X509Certificate } from 'node:crypto'
import { expect, scenario } from 'holdfast/vitest'
import { federation } from '../federation.ts'

const test = scenario('federation').extend('federation', federation)

/** Tag and length of a UTF8String, then a UUID. */
const named = (uuid: string) => Buffer.concat([Buffer.from([0x0c, 36]), Buffer.from(uuid)])
/** How often these bytes stand in others. */
const times = (whole: Buffer, part: Buffer) => whole.toString('latin1').split(part.toString('latin1')).length - 1

test('a grant is as it was made, and pending, until its token is redeemed', async ({ federation }) => {
  const invited = await federation.invite({ scope: 'scope-b', subject: 'bob' })
  const admin = await federation.asAdmin('b')

  expect(await admin.grant(invited.grantId)).toMatchObject({
    ...{ peerId: invited.peerId, subjectUserId: federation.seed('b').user('bob').id, status: 'pending' },
    scope: { max_rows_per_query: 100, excluded_resources: [], ...invited.scope },
  })
  expect((await federation.redeem(invited)).status).toBe(200)
  expect(await admin.grant(invited.grantId)).toMatchObject({ status: 'active', scope: invited.scope })
})

test('the certificate names the grant, its subject and the peer, and is for clients alone', async ({ federation }) => {
  const peer = await federation.asPeer('scope-a')
  const { grant, answer } = peer
  const leaf = new X509Certificate(answer.certPem)

  expect(answer).toMatchObject({ grantId: grant.grantId, subjectUserId: grant.subjectUserId, peerId: grant.peerId })
  expect([times(leaf.raw, named(grant.grantId)), times(leaf.raw, named(grant.subjectUserId))]).toEqual([1, 1])
  expect([leaf.subject, leaf.subjectAltName]).toEqual([`CN=${grant.commonName}`, `DNS:${grant.commonName}`])
  expect([leaf.ca, leaf.keyUsage]).toEqual([false, ['1.3.6.1.5.5.7.3.2']])
  expect(BigInt(`0x${answer.serial}`)).toBe(BigInt(`0x${leaf.serialNumber}`))
  // 300 s, backdated by 60 s.
  expect(leaf.validToDate.getTime() - leaf.validFromDate.getTime()).toBeLessThanOrEqual(420_000)
})

test('no other grant becomes active, and each certificate opens its own', async ({ federation }) => {
  const [other, invited] = [await federation.invite({ subject: 'bob' }), await federation.invite()]
  const database = await federation.database('b')
  const others = () =>
    database.query('SELECT id, status, epoch FROM federation_grants WHERE id <> $1 ORDER BY id', [invited.grantId])
  const before = await others()

  const reply = await federation.redeem(invited)
  expect(reply.status).toBe(200)
  expect(await others()).toEqual(before)
  expect((await (await federation.asAdmin('b')).grant(other.grantId)).status).toBe('pending')
  expect(
    await database.query('SELECT count(*)::int AS n FROM federation_certificates WHERE grant_id = $1', [
      invited.grantId,
    ]),
  ).toEqual([{ n: 1 }])
  expect(await federation.audited(reply)).toMatchObject({
    ...{ verb: 'enrol', outcome: 'allowed', status: 200, reason: null },
    ...{ grant_id: invited.grantId, peer_id: invited.peerId, subject_user_id: invited.subjectUserId },
  })
})

test('what was enrolled is let in, and its record names what it proved', async ({ federation }) => {
  const peer = await federation.asPeer('scope-a')
  const reply = await peer.capabilities()

  expect(new Set(reply.value.resources)).toEqual(new Set(['tasks', 'notes']))
  expect(reply.value.max_rows_per_query).toBe(100)
  const [record] = await federation.decided(reply)
  const { grantId, peerId, subjectUserId, commonName } = peer.grant
  expect(record).toMatchObject({
    verdict: 'accepted',
    principal: { grantId, peerId, subjectUserId, cn: commonName, serial: peer.answer.serial },
  })
})
