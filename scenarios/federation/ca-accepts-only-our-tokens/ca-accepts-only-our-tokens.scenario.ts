import { expect, scenario } from 'holdfast/vitest'
import { type Certifier, type Federation, federation, type OddToken, type Reply, requestFor } from '../federation.ts'

const test = scenario('federation').extend('federation', federation)

/** For a peer of nobody's grant: step-ca does not know which there are. */
async function somebody(federation: Federation) {
  const commonName = federation.newName()
  const request = await requestFor(commonName)
  return { commonName, request, grantId: crypto.randomUUID(), subjectUserId: crypto.randomUUID() }
}

/** No certificate, nothing in the answer that could be taken for one, and the reason in the log of the CA. */
async function expectUnsigned(certifier: Certifier, reply: Reply<unknown>, why: RegExp): Promise<void> {
  const { status, error } = await certifier.logged(reply)
  expect({ status: reply.status, error }).toEqual({ status, error: expect.stringMatching(why) })
  expect([400, 401, 403, 500]).toContain(status)
  expect(reply.body).not.toContain('CERTIFICATE')
  expect(reply.ms).toBeLessThan(10_000)
}

const fromNow = (seconds: number) => Math.floor(Date.now() / 1000) + seconds

const odd: readonly (readonly [what: string, odd: (federation: Federation) => OddToken, why: RegExp])[] = [
  ['that is over', () => ({ claims: { nbf: fromNow(-400), exp: fromNow(-300) } }), /expired \(exp\)/],
  ['from before the CA was started', () => ({ claims: { iat: fromNow(-3600) } }), /before the bootstrap/],
  ['that is not good yet', () => ({ claims: { nbf: fromNow(600), exp: fromNow(660) } }), /not valid yet \(nbf\)/],
  ['by another provisioner', () => ({ claims: { iss: 'gateway-server' } }), /provisioner not found/],
  ['by a provisioner that there is none of', () => ({ claims: { iss: 'other' } }), /provisioner not found/],
  ['by nobody in particular', () => ({ claims: { iss: undefined } }), /provisioner not found/],
  ['for another CA', () => ({ claims: { aud: 'https://other.test:9000/1.0/sign' } }), /invalid audience/],
  ['for revoking', (federation) => ({ claims: { aud: `${federation.certifier().url}/1.0/revoke` } }), /audience/],
  ['for nothing in particular', () => ({ claims: { aud: undefined } }), /audience/],
  ['of another kid', () => ({ header: { kid: 'other' } }), /provisioner not found/],
  ['without a kid', () => ({ header: { kid: undefined } }), /provisioner not found/],
  ['signed with another key', () => ({ signed: 'by another' }), /error parsing jwk claims|verif|signature/],
  ['signed by nobody', () => ({ signed: 'by nobody' }), /algorithm|parsing/],
  ['signed with the public key as a secret', () => ({ signed: 'by HMAC' }), /algorithm|parsing|verif/],
  ['for another request', () => ({ claims: { cnf: { 'x5rt#S256': 'A'.repeat(43) } } }), /fingerprint/],
  ['for another name', () => ({ claims: { sub: 'other.test', sans: ['other.test'] } }), /common name|names/i],
]

test.for(odd)('FED-17: a token %s brings no certificate', async ([, of, why], { federation }) => {
  const [certifier, peer] = [federation.certifier(), await somebody(federation)]
  const sign = async (token: OddToken = {}) => certifier.sign(peer.request.csrPem, await certifier.token(peer, token))

  await expectUnsigned(certifier, await sign(of(federation)), why)
  expect((await sign()).status).toBe(201)
})

test.for([
  ['no grant', { mosaic_grant_id: undefined }],
  ['no subject', { mosaic_subject_user_id: undefined }],
  ['an empty grant', { mosaic_grant_id: '' }],
] as const)('FED-17: a token that names %s brings no certificate', async ([, claims], { federation }) => {
  const [certifier, peer] = [federation.certifier(), await somebody(federation)]
  const { csrPem } = peer.request
  const reply = await certifier.sign(csrPem, await certifier.token(peer, { claims }))

  await expectUnsigned(certifier, reply, /grant and subject are required/)
  expect((await certifier.sign(csrPem, await certifier.token(peer))).status).toBe(201)
})

test('FED-17: a token brings one certificate', async ({ federation }) => {
  const [certifier, peer] = [federation.certifier(), await somebody(federation)]
  const token = await certifier.token(peer)

  expect((await certifier.sign(peer.request.csrPem, token)).status).toBe(201)
  await expectUnsigned(certifier, await certifier.sign(peer.request.csrPem, token), /already used/)
  const other = (await requestFor(peer.commonName)).csrPem
  await expectUnsigned(certifier, await certifier.sign(other, token), /already used/)
})

test('FED-17: no certificate is good for longer than fifteen minutes', async ({ federation }) => {
  const [certifier, peer] = [federation.certifier(), await somebody(federation)]
  const asked = async (notAfter: string) =>
    certifier.sign(peer.request.csrPem, await certifier.token(peer), { notAfter })

  await expectUnsigned(certifier, await asked('901s'), /duration/)
  expect((await asked('900s')).status).toBe(201)
})

test('GEN-14: a token for signing revokes nothing, nor does one for another certificate', async ({ federation }) => {
  const certifier = federation.certifier()
  const { grant, answer } = await federation.asPeer('scope-a')
  const serial = BigInt(`0x${answer.serial}`).toString()
  const aud = `${certifier.url}/1.0/revoke`
  const revoke = async (claims: object) =>
    certifier.revoke(serial, await certifier.token(grant, { claims: { ...claims } }))

  await expectUnsigned(certifier, await revoke({ sub: serial }), /audience/)
  await expectUnsigned(certifier, await revoke({ sub: '1234', aud }), /serial|subject/)
  expect((await revoke({ sub: serial, aud })).status).toBe(200)
})

test('GEN-14: a token of enrolment, and one of an administrator, are nothing to the CA', async ({ federation }) => {
  const [certifier, invited] = [federation.certifier(), await federation.invite()]
  const { token } = await federation.asAdmin('b')

  for (const other of [invited.token, token]) {
    await expectUnsigned(certifier, await certifier.sign(invited.request.csrPem, other), /parsing|invalid/i)
  }
  expect((await federation.redeem(invited)).status).toBe(200)
})
