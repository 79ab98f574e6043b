import { expect, scenario } from 'holdfast/vitest'
import { commandLine, done } from '../asking.ts'
import { type EnrolledPeer, type Federation, federation, type Invited, type Reply, requestFor } from '../federation.ts'
import { signedFor, storedOf } from '../refusals.ts'

const test = scenario('federation', { own: true }).extend('federation', federation)

/** From the answer to a revoke until the CA's list is in force, while the CA is up. */
const effectiveMs = 5_000
const asked = { method: 'GET', path: '/api/federation/v1/capabilities', headers: [] }

/** Nobody gets as far as HTTP with it, and the lender says why. */
async function expectNoHandshake(federation: Federation, peer: EnrolledPeer): Promise<void> {
  const reply = await peer.capabilities()
  expect(reply.status).toBeNull()
  expect(await federation.decided(reply)).toMatchObject([
    { verdict: 'refused', layer: 'tls', guard: 'tls.crl', reason: 'cert_revoked', status: null },
  ])
}

/** Until it is told to go on, or the test ends: others need it. */
async function pauseCa(site: Federation['site']): Promise<void> {
  await site.node('ca').pause()
  site.own({ [Symbol.asyncDispose]: () => site.node('ca').resume() })
}

test('FED-26: the next request over a kept connection is refused while the CA is away, and once it is back there is no handshake', async ({
  federation,
  site,
}) => {
  const [peer, other] = [await federation.asPeer('scope-a'), await federation.asPeer('scope-a', { subject: 'bob' })]
  const admin = await federation.asAdmin('b')
  using kept = peer.kept()
  expect((await kept.send(asked)).status).toBe(200)

  await pauseCa(site)
  const revoked = await admin.revoke(peer.grant.grantId, 'left the project')
  expect(revoked).toMatchObject({ status: 'revoked', certificateRevocation: 'queued' })
  const refused = await kept.send(asked)
  expect([refused.status, JSON.parse(refused.body).error.code, kept.opened()]).toEqual([403, 'forbidden', 1])
  // Also over a new connection: the certificate is as good as before at TLS, and worth nothing.
  const anew = await peer.list('tasks')
  expect([anew.status, await federation.reason(anew)]).toEqual([403, 'grant_revoked'])
  expect(await federation.audited(anew)).toMatchObject({ outcome: 'denied', reason: 'grant_revoked', rows_out: null })
  expect((await other.list('tasks')).status).toBe(200)
  expect((await admin.grant(peer.grant.grantId)).certificateRevocation).toBe('queued')

  await site.node('ca').resume()
  await federation.revoked(peer.grant.grantId, { withinMs: 20_000 })
  await expectNoHandshake(federation, peer)
  // Its connection was closed: what is sent needs a new one, and there is none.
  await expect(kept.send(asked)).rejects.toThrow()
  expect((await other.list('tasks')).status).toBe(200)
})

test('FED-40: while the CA is up the handshake is refused within seconds, and an idle connection is closed', async ({
  federation,
  site,
}) => {
  const peer = await federation.asPeer('scope-a')
  const admin = await federation.asAdmin('b')
  using kept = peer.kept()
  expect((await kept.send(asked)).status).toBe(200)

  await admin.revoke(peer.grant.grantId)
  const before = performance.now()
  await federation.revoked(peer.grant.grantId, { withinMs: 20_000 })
  const tookMs = site.measured('a revocation is in force', performance.now() - before, site.bound(effectiveMs))
  expect(tookMs).toBeLessThan(site.bound(effectiveMs))
  await expectNoHandshake(federation, peer)
  await expect(kept.send(asked)).rejects.toThrow()
})

test('FED-40: once the program has told of a revocation there is no handshake any more', async ({ federation }) => {
  const peer = await federation.asPeer('scope-a')
  expect((await peer.list('tasks')).status).toBe(200)

  const told = await done(commandLine(federation, 'b', 'grant', 'revoke', peer.grant.grantId, '--json'))
  expect(told).toMatchObject({ status: 'revoked', certificateRevocation: 'effective' })
  await expectNoHandshake(federation, peer)
})

/** Somebody who is about to get a certificate for a grant. */
interface Asking {
  readonly grant: Pick<Invited, 'grantId' | 'commonName'>
  ask(): Promise<Reply<unknown>>
}

const asking: readonly (readonly [
  what: string,
  reason: string,
  count: number,
  of: (federation: Federation) => Promise<Asking>,
])[] = [
  [
    'an enrolment',
    'activation_lost_race',
    1,
    async (federation) => {
      const grant = await federation.invite()
      return { grant, ask: () => federation.redeem(grant) }
    },
  ],
  [
    'a renewal',
    'grant_revoked',
    2,
    async (federation) => {
      const peer = await federation.asPeer('scope-a')
      const { csrPem } = await requestFor(peer.grant.commonName)
      return { grant: peer.grant, ask: () => peer.renew(csrPem) }
    },
  ],
]

test.for(asking)(
  'FED-26: %s that is on its way when its grant is revoked comes to nothing',
  async ([, reason, count, of], { federation, site }) => {
    const { grant, ask } = await of(federation)
    // The lender has just heard that the CA is well, and so asks it.
    await federation.asPeer('scope-a', { subject: 'bob' })
    const admin = await federation.asAdmin('b')
    await pauseCa(site)
    const answered = ask()
    const isAsked = async () => (await storedOf(federation, grant)).issuance.some((row) => row.includes('"open"'))
    await site.until('the CA to be asked', isAsked, { withinMs: 10_000 })
    expect((await admin.revoke(grant.grantId)).status).toBe('revoked')
    await site.node('ca').resume()

    const reply = await answered
    expect([await federation.reason(reply), reply.body.includes('CERTIFICATE')]).toEqual([reason, false])
    // All that the CA has signed for it is in its list, and no certificate of the grant is good.
    const isRevoked = async () => {
      const signed = (await signedFor(federation, grant)).flatMap(({ serial }) =>
        serial === undefined ? [] : [serial],
      )
      const { certificates, revocations } = await storedOf(federation, grant)
      expect(certificates.filter((row) => /"status": "(issued|active)"/.test(row))).toEqual([])
      const listed = revocations.map((row) => JSON.parse(row)).filter(({ state }) => state === 'effective')
      const serials = listed.map(({ serial }) => BigInt(`0x${serial}`).toString())
      return signed.length === count && signed.every((serial) => serials.includes(serial))
    }
    await site.until('what was signed to be revoked', isRevoked, { withinMs: 20_000 })
    expect((await admin.grant(grant.grantId)).status).toBe('revoked')
  },
)

test('TLS-19: the gateway whose certificate it was learns of it by the list, and by no error of the network', async ({
  federation,
  site,
}) => {
  const [lender, asker] = [await federation.asAdmin('b'), await federation.asAdmin('a')]
  const alice = await federation.asUser('a', 'alice')
  const source = 'federated:gateway-b.somebiz.local.io'
  const [outbound] = (await asker.ask('peer:list')).items
  const grantId = outbound!.remoteGrantId!
  expect((await alice.list('tasks', { source })).value.items.length).toBeGreaterThan(0)

  // Without its CA the lender has no list yet, so the grant alone refuses.
  await pauseCa(site)
  await lender.revoke(grantId)
  const refused = await alice.list('tasks', { source })
  expect([refused.status, refused.error?.code]).toEqual([403, 'forbidden'])
  await site.node('ca').resume()
  const stateOf = async () => (await asker.ask('peer:show', { parameters: { id: outbound!.id } })).state
  const isKnown = async () => {
    await alice.list('tasks', { source })
    return (await stateOf()) === 'revoked'
  }
  await site.until('A to know that it is revoked', isKnown, { withinMs: 20_000, everyMs: 250 })
  const after = await alice.list('tasks', { source })
  expect([after.status, await federation.reason(after, 'a')]).toEqual([403, 'peer_revoked'])
})
