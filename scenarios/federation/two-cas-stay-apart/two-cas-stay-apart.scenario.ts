import { expect, scenario } from 'holdfast/vitest'
import { federate, inboundPeer, newUser } from '../asking.ts'
import { federation } from '../federation.ts'
import { atTls, forbidden } from '../lending.ts'
import { expectRefused } from '../refusals.ts'

const test = scenario('federation', { set: { caPerGateway: 'true' } }).extend('federation', federation)

test('TLS-12: the CA of the asker vouches for nobody at the lender', async ({ federation, site }) => {
  const peer = await federation.asPeer('scope-a')
  expect((await peer.list('tasks')).value.items).not.toEqual([])

  const foreign = await federation.forge(peer, { authority: await site.authority('ca-a') })
  await expectRefused(federation, await foreign.list('tasks'), atTls('cert_untrusted'))
  // The same by the lender's own CA comes as far as its grant.
  const own = await federation.forge(peer, { authority: await site.authority('ca-b') })
  await expectRefused(federation, await own.list('tasks'), forbidden('grant.certificate', 'cert_unregistered'))
  expect((await peer.list('tasks')).status).toBe(200)
})

test('TLS-12: an asker takes what the root of the lender vouches for, and by its own root nothing', async ({
  federation,
}) => {
  const [there, here] = [await federation.asAdmin('b'), await federation.asAdmin('a')]
  const { id: ownerUserId, user } = await newUser(federation)
  const body = {
    peerId: await inboundPeer(federation),
    subjectUserId: federation.seed('b').user('alice').id,
    scope: { resources: ['tasks'] },
  }
  const { id: grantId } = await there.ask('grant:create', { body })
  const { enrollmentUrl, token, caPem } = await there.invite(grantId)
  // The fragment of the invitation names the root of the lender, which its own is not.
  const refused = await here.try('peer:keypair', { body: { enrollmentUrl, ownerUserId } })
  expect([refused.status, await federation.reason(refused, 'a')]).toEqual([400, 'enrolment_url'])
  const [bare] = enrollmentUrl.split('#')
  const byOwn = await here.ask('peer:keypair', { body: { enrollmentUrl: bare!, ownerUserId } })
  const redeemed = await federation.redeem({ token, request: { csrPem: byOwn.csrPem, keyPem: '' } })
  const { certPem, certChainPem, subjectUserId, federationUrl } = redeemed.value
  const cert = { certPem, certChainPem, grantId, subjectUserId, federationUrl }
  const strange = await here.try('peer:cert', { parameters: { id: byOwn.peerId }, body: cert })
  expect([strange.status, await federation.reason(strange, 'a')]).toEqual([422, 'peer_cert_chain'])
  await here.ask('peer:remove', { parameters: { id: byOwn.peerId } })

  const again = await there.invite(grantId, { purpose: 're-enrolment' })
  await federate(federation, { ...again, grantId, ownerUserId, caPem })
  const listed = await user.list('tasks', { source: 'federated:gateway-b.somebiz.local.io' })
  expect(listed.value.items.length).toBeGreaterThan(0)
})
