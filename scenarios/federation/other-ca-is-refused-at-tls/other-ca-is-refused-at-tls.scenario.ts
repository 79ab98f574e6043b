import { authorityOfLeaf, expect, issueLeaf, issueSelfSigned, rogueAuthority, scenario } from 'holdfast/vitest'
import { type Caller, type EnrolledPeer, type Federation, federation } from '../federation.ts'
import { atTls, forbidden, stateOf } from '../lending.ts'
import { expectRefused } from '../refusals.ts'

const test = scenario('federation').extend('federation', federation)

const hoursFromNow = (hours: number) => new Date(Date.now() + hours * 3_600_000)

/** What is presented in the place of a peer's certificate, with what the lender must say of it. */
const cases: readonly [string, string, (federation: Federation, peer: EnrolledPeer) => Promise<Caller>][] = [
  ['no certificate (TLS-01)', 'cert_missing', (federation) => federation.connectAnonymously()],
  [
    'the same names, grant and user by another CA (TLS-03)',
    'cert_untrusted',
    async (federation, peer) => federation.forge(peer, { authority: await rogueAuthority() }),
  ],
  [
    'the same by another CA that has the name of the right one',
    'cert_untrusted',
    async (federation, peer) => {
      const { certificate } = await federation.site.authority('ca')
      const [name] = certificate.subjectName.getField('CN')
      return federation.forge(peer, { authority: await rogueAuthority(name) })
    },
  ],
  [
    'one that vouches for itself',
    'cert_untrusted',
    async (federation, { grant: { commonName } }) => {
      const { certPem, keyPem } = await issueSelfSigned(commonName, [commonName])
      return federation.connect({ certificate: certPem, key: keyPem })
    },
  ],
  [
    'one that another leaf has signed (TLS-06)',
    'cert_untrusted',
    async (federation, peer) => {
      const authority = await federation.site.authority('ca')
      const leaf = await issueLeaf({ authority, subject: 'leaf.test', sans: ['leaf.test'], eku: ['clientAuth'] })
      return federation.forge(peer, { authority: await authorityOfLeaf(leaf) })
    },
  ],
  [
    'one that has expired (TLS-02)',
    'cert_expired',
    (federation, peer) => federation.forge(peer, { notBefore: hoursFromNow(-2), notAfter: hoursFromNow(-1) }),
  ],
  [
    'one that is not valid yet (TLS-02)',
    'cert_not_yet_valid',
    (federation, peer) => federation.forge(peer, { notBefore: hoursFromNow(1), notAfter: hoursFromNow(2) }),
  ],
  [
    'one for servers (TLS-05)',
    'cert_eku_invalid',
    (federation, peer) => federation.forge(peer, { eku: ['serverAuth'] }),
  ],
  [
    'one for signing code (TLS-05)',
    'cert_eku_invalid',
    (federation, peer) => federation.forge(peer, { eku: ['codeSigning'] }),
  ],
  [
    'the certificate of the asking gateway’s own listener (TLS-29)',
    'cert_eku_invalid',
    async (federation) => {
      const { certPem, keyPem } = (await federation.site.held('gateway-a-tls')).certificate!
      return federation.connect({ certificate: certPem, key: keyPem })
    },
  ],
]

test.for(cases)('%s ends the handshake: %s', async ([what, reason, presented], { federation }) => {
  const peer = await federation.asPeer('scope-a')
  const before = await peer.list('tasks')
  expect(before.value.items).not.toEqual([])
  const state = await stateOf(federation, [peer.grant.grantId])

  const caller = await presented(federation, peer)
  await expectRefused(federation, await caller.list('tasks'), atTls(reason), { what })
  await expectRefused(federation, await caller.capabilities(), atTls(reason), { what })

  expect(await stateOf(federation, [peer.grant.grantId])).toEqual(state)
  expect((await peer.list('tasks')).value).toEqual(before.value)
})

test('by the CA itself the same certificate comes as far as its grant', async ({ federation }) => {
  const peer = await federation.asPeer('scope-a')
  const forged = await federation.forge(peer)

  await expectRefused(federation, await forged.list('tasks'), forbidden('grant.certificate', 'cert_unregistered'))
})
