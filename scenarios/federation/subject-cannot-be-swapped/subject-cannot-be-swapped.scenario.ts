import { expect, scenario } from 'holdfast/vitest'
import { federation, naming, type RawExtension, type SignedForgery } from '../federation.ts'
import { forbidden, likeness, oids, rewritten, stateOf } from '../lending.ts'
import { expectRefused } from '../refusals.ts'

const test = scenario('federation').extend('federation', federation)

test('user, grant and name are those of one grant, or nothing is lent (FED-23)', async ({ federation }) => {
  const alice = await federation.asPeer('scope-a')
  const bob = await federation.asPeer('scope-a', { subject: 'bob' })
  const dave = await federation.asPeer('scope-a', { subject: 'dave' })
  const again = await federation.asPeer('scope-all', { allowSensitive: true })
  const ended = await federation.asPeer('scope-a', { subject: 'bob' })
  await (await federation.asAdmin('b')).revoke(ended.grant.grantId)
  const grants = [alice, bob, dave, again].map(({ grant }) => grant.grantId)
  const before = [(await alice.list('tasks')).value, (await bob.list('tasks')).value]
  const state = await stateOf(federation, grants)

  const grant = (of: typeof alice) => naming(oids.grant, of.grant.grantId)
  const user = (of: typeof alice) => naming(oids.subject, of.grant.subjectUserId)
  const of = (...said: RawExtension[]): SignedForgery => ({ added: rewritten(...said) })
  const subject = forbidden('grant.subject', 'subject_mismatch')
  const name = forbidden('grant.peer', 'peer_name_mismatch')
  const cases: [string, SignedForgery, typeof subject][] = [
    ['the grant of alice for bob', of(user(bob)), subject],
    ['the grant of alice for a user of another tenant', of(user(dave)), subject],
    ['the grant of bob for alice', of(grant(bob)), subject],
    ['the grant of another tenant for alice', of(grant(dave)), subject],
    ['grant and user of bob under the own name', of(grant(bob), user(bob)), name],
    ['grant and user of another tenant under the own name', of(grant(dave), user(dave)), name],
    ['a wider grant of the same user under the own name', of(grant(again)), name],
    ['the own grant under the name of another peer', { name: bob.grant.commonName }, name],
    ['a name that ends like the own one', { name: `x.${alice.grant.commonName}` }, name],
    ['a name that begins like the own one', { name: `${alice.grant.commonName}.x` }, name],
    ['a revoked grant of bob for alice', of(grant(ended)), forbidden('grant.status', 'grant_revoked')],
    [
      'all of a wider grant',
      { ...of(grant(again)), name: again.grant.commonName },
      forbidden('grant.certificate', 'cert_unregistered'),
    ],
  ]
  const answers: unknown[] = []
  for (const [what, forgery, refusal] of cases) {
    const reply = await (await federation.forge(alice, forgery)).list('tasks')
    await expectRefused(federation, reply, refusal, { what })
    answers.push(likeness(reply))
  }

  expect(new Set(answers.map((one) => JSON.stringify(one))).size).toBe(1)
  expect(await stateOf(federation, grants)).toEqual(state)
  expect([(await alice.list('tasks')).value, (await bob.list('tasks')).value]).toEqual(before)
})

test('a certificate that is registered for another grant than it names opens neither (FED-23)', async ({
  federation,
}) => {
  const peer = await federation.asPeer('scope-a')
  const wider = await federation.asPeer('scope-all', { allowSensitive: true })
  const grants = [peer.grant.grantId, wider.grant.grantId]
  const before = (await peer.list('tasks')).value
  // What nobody can do who has no more than the API.
  const database = await federation.database('b')
  const registerFor = ({ grant: { grantId, peerId } }: typeof peer) =>
    database.query('UPDATE federation_certificates SET grant_id = $1, peer_id = $2 WHERE serial = $3', [
      ...[grantId, peerId, peer.answer.serial],
    ])

  await registerFor(wider)
  const state = await stateOf(federation, grants)
  const refusal = forbidden('grant.certificate', 'cert_other_grant')
  await expectRefused(federation, await peer.list('tasks'), refusal)
  await expectRefused(federation, await peer.list('memory'), refusal)
  expect(await stateOf(federation, grants)).toEqual(state)

  await registerFor(peer)
  expect((await peer.list('tasks')).value).toEqual(before)
})
