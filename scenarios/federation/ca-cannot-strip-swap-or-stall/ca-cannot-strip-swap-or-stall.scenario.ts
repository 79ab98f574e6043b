import { expect, issueLeaf, rogueAuthority, scenario } from 'holdfast/vitest'
import { type Federation, federation, type Invited, identityFrom, requestFor } from '../federation.ts'
import { refusal } from '../lending.ts'
import { expectNotEnrolled, expectRefused, storedOf } from '../refusals.ts'

// The place of the CA is taken, and given back, by every test.
const test = scenario('federation', { own: true }).extend('federation', federation)

type Hostile = Awaited<ReturnType<Federation['hostileCa']>>['ca']

const refused = (guard: string, reason: string) => ({ status: 503, error: 'dependency_unavailable', guard, reason })
/** One call to the CA has 5 s. */
const boundMs = 9_000

/**
 * The token is redeemed in vain, for this reason; the grant stays pending without a certificate, and what the CA has signed is to be
 * revoked. With a new token the same peer is enrolled by the same CA, once that is `honest`.
 */
async function expectVain(
  federation: Federation,
  ca: Hostile,
  { invited, reason, honest }: { invited: Invited; reason: string; honest: () => void },
): Promise<void> {
  const before = await storedOf(federation, invited)
  const guard = reason.startsWith('issued_') ? 'enr.ca-leaf' : 'enr.ca-sign'
  const reply = await federation.redeem(invited)
  await expectNotEnrolled(federation, reply, refused(guard, reason), invited)
  expect(Number(reply.header('retry-after'))).toBeGreaterThanOrEqual(1)
  expect(federation.site.measured('a CA has failed', reply.ms, boundMs)).toBeLessThan(boundMs)
  expect(reply.body).not.toContain('CERTIFICATE')

  const after = await storedOf(federation, invited)
  expect([after.grant, after.peer, after.certificates]).toEqual([before.grant, before.peer, []])
  const sent = ca.requests
    .filter(({ endpoint }) => endpoint === 'sign')
    .map(({ body }) => JSON.parse(body).ott as string)
  const logs = federation.site.node('gateway-b').logs().join('\n')
  expect(sent.filter((ott) => logs.includes(ott))).toEqual([])
  const admin = await federation.asAdmin('b')
  const { unfinished } = await admin.ask('status:read')
  expect(unfinished.map(({ grantId }) => grantId)).toContain(invited.grantId)

  honest()
  const next = { ...invited, ...(await admin.invite(invited.grantId)) }
  expect((await federation.redeem(next)).value.grantId).toBe(invited.grantId)
}

const defects = [
  ['FED-12', 'no extension of the token', 'issued_oid_mismatch'],
  ['FED-12', 'no grant', 'issued_oid_mismatch'],
  ['FED-12', 'no subject', 'issued_oid_mismatch'],
  ['FED-12', 'another grant', 'issued_oid_mismatch'],
  ['FED-12', 'another subject', 'issued_oid_mismatch'],
  ['FED-12', 'grant and subject swapped', 'issued_oid_mismatch'],
  ['FED-12', 'a grant that is a PrintableString', 'issued_oid_mismatch'],
  ['FED-12', 'a grant in capitals', 'issued_oid_mismatch'],
  ['FED-12', 'bytes behind the grant', 'issued_oid_mismatch'],
  ['FED-13', 'another key', 'issued_key_mismatch'],
  ['FED-13', 'another name', 'issued_profile'],
  ['FED-13', 'one more name', 'issued_profile'],
  ['FED-13', 'no provisioner', 'issued_profile'],
  ['FED-13', 'another provisioner', 'issued_profile'],
  ['FED-13', 'expired', 'issued_validity'],
  ['FED-13', 'not yet valid', 'issued_validity'],
  ['FED-13', 'a day of life', 'issued_validity'],
  ['FED-13', 'for servers, too', 'issued_profile'],
  ['FED-13', 'for nothing in particular', 'issued_profile'],
  ['FED-13', 'an authority', 'issued_profile'],
  ['FED-13', 'of another root', 'issued_chain'],
] as const

test.for(defects)(
  '%s: a certificate that is spoiled activates nothing: %s',
  async ([, defect, reason], { federation }) => {
    const invited = await federation.invite()
    const { ca } = await federation.hostileCa()
    ca.spoil(defect)

    await expectVain(federation, ca, { invited, reason, honest: () => ca.spoil() })
    // It was signed, so the CA is told to revoke it: under its pinned root or not.
    const serial = BigInt(`0x${ca.issued[0]}`).toString()
    const isTold = () => ca.revoked.includes(serial)
    await federation.site.until('what was signed to be revoked', isTold, { withinMs: 20_000 })
  },
)

test('FED-12, FED-13: nor does one that is spoiled renew anything, and the one before it goes on', async ({
  federation,
  site,
}) => {
  const peer = await federation.asPeer('scope-a')
  const before = (await peer.list('tasks')).value
  const renewed = () => requestFor(peer.grant.commonName)
  const { certificates } = await storedOf(federation, peer.grant)
  const rejected = refusal(503, 'dependency_unavailable')('renew.ca', 'renew_ca_rejected')
  const { ca } = await federation.hostileCa()

  for (const [, defect] of defects) {
    ca.spoil(defect)
    const reply = await peer.renew((await renewed()).csrPem)
    await expectRefused(federation, reply, rejected, { what: defect })
    expect(reply.body, defect).not.toContain('CERTIFICATE')
  }
  expect((await storedOf(federation, peer.grant)).certificates).toEqual(certificates)
  expect((await peer.list('tasks')).value).toEqual(before)
  const isTold = () => ca.issued.every((serial) => ca.revoked.includes(BigInt(`0x${serial}`).toString()))
  await site.until('all that was signed to be revoked', isTold, { withinMs: 30_000 })

  ca.spoil()
  const { csrPem, keyPem } = await renewed()
  const { certPem: certificate, keyPem: key } = identityFrom((await peer.renew(csrPem)).value, keyPem)
  const next = await federation.connect({ certificate, key })
  expect((await next.list('tasks')).value).toEqual(before)
})

type Answer = Parameters<Hostile['script']>[1]
const answers: readonly (readonly [what: string, answer: Answer, reason: string])[] = [
  ['500', { status: 500, body: { status: 500, message: 'no' } }, 'ca_refused'],
  ['401', { status: 401, body: { status: 401, message: 'no' } }, 'ca_refused'],
  ['200 in place of 201', (_, honest) => ({ status: 200, body: honest }), 'ca_bad_answer'],
  ['a redirect', { status: 307, headers: { location: 'https://other.test/1.0/sign' } }, 'ca_bad_answer'],
  ['HTML', { status: 201, type: 'text/html', body: '<html></html>' }, 'ca_bad_answer'],
  ['half of a JSON text', { status: 201, body: '{"crt":"-----BEGIN' }, 'ca_bad_answer'],
  ['a certificate that is none', { status: 201, body: { crt: 'certificate', ca: 'too' } }, 'ca_bad_answer'],
  ['nothing of it', { status: 201, body: {} }, 'ca_bad_answer'],
  ['ten megabytes', { status: 201, body: { crt: 'x'.repeat(10_485_760) } }, 'ca_bad_answer'],
  ['a cut connection', 'cut', 'ca_bad_answer'],
  ['a slow drip', 'drip', 'ca_timeout'],
  ['silence', 'silence', 'ca_timeout'],
]

test.for(answers)(
  'FED-14: %s in the place of a certificate activates nothing',
  async ([, answer, reason], { federation }) => {
    const invited = await federation.invite()
    const { ca } = await federation.hostileCa()
    ca.script('sign', answer)

    await expectVain(federation, ca, { invited, reason, honest: () => ca.script('sign') })
  },
)

test('FED-15, TLS-12: whoever is not the pinned CA gets no token, and burns none', async ({ federation, site }) => {
  const invited = await federation.invite()
  const { ca, restore } = await federation.hostileCa()
  const { host } = site.node('ca')
  const authority = await rogueAuthority('somebiz CA')
  ca.present(await issueLeaf({ authority, subject: host, sans: [host] }))

  // That the CA was well a moment ago counts for 5 s; each try in that time is one of a grant of its own.
  const isNoticed = async () => {
    const one = await federation.invite()
    const reply = await federation.redeem(one)
    expect(reply.status).toBe(503)
    return (await federation.reason(reply)) === 'ca_unreachable'
  }
  await site.until('B to ask the CA whether it is well', isNoticed, { withinMs: 20_000 })
  const before = await storedOf(federation, invited)
  const reply = await federation.redeem(invited)
  await expectNotEnrolled(federation, reply, refused('enr.ca-ready', 'ca_unreachable'), invited)
  expect(await storedOf(federation, invited)).toEqual(before)
  // Not one request has come over a connection that B did not trust, and with it no one-time token.
  expect(ca.requests).toEqual([])
  expect(ca.brokenOff.length).toBeGreaterThan(0)

  await restore()
  const isWell = async () => (await federation.redeem(invited)).status === 200
  await site.until('the same token to be good with the real CA', isWell, { withinMs: 20_000 })
})
