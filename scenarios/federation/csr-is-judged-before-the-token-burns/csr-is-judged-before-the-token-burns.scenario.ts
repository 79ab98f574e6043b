import { expect, scenario } from 'holdfast/vitest'
import { type Admin, type Federation, federation, type Invited, type OddRequest, requestFor } from '../federation.ts'
import { expectNotEnrolled, type Refusal, signedFor, storedOf } from '../refusals.ts'

const test = scenario('federation').extend('federation', federation)

const invalid = (reason: string) => ({ status: 422, error: 'invalid_csr', guard: 'enr.csr', reason })

type Content = Pick<Parameters<Admin['bare']>[0], 'json' | 'body' | 'headers'>

/** It is refused and has changed nothing; then the request that was meant is signed by the same token. */
async function expectJudged(federation: Federation, invited: Invited, sent: Content, refusal: Refusal): Promise<void> {
  const before = await storedOf(federation, invited)
  const anybody = await federation.asAdmin('b')
  const path = `/api/federation/enrollment/${invited.token}`
  const reply = await anybody.bare({ method: 'POST', path, ...sent })
  await expectNotEnrolled(federation, reply, refusal, invited)
  if (refusal.status === 422) expect(reply.error!.details).toMatchObject([{ path: 'csrPem' }])
  expect(await storedOf(federation, invited)).toEqual(before)
  expect(await signedFor(federation, invited)).toEqual([])
  expect((await federation.redeem(invited)).status).toBe(200)
}

const texts: readonly (readonly [what: string, of: (own: string) => string])[] = [
  ['no PEM at all', () => 'certificate, please'],
  ['PEM of something else', (own) => own.replaceAll('CERTIFICATE REQUEST', 'CERTIFICATE')],
  ['two requests', (own) => own + own],
  ['words before the request', (own) => `for B:\n${own}`],
  ['half a request', (own) => own.replace(/(.{64}\n)/, '')],
  ['PEM whose base64 is broken', (own) => own.replace(/\n(.)/, '\n*')],
  ['PEM without an end', (own) => own.replace(/-----END.*\n/, '')],
]

test.for(texts)('FED-08: %s', async ([, of], { federation }) => {
  const invited = await federation.invite()
  await expectJudged(federation, invited, { json: { csrPem: of(invited.request.csrPem) } }, invalid('csr_malformed'))
})

const odd: readonly (readonly [what: string, odd: OddRequest, reason: string])[] = [
  ['signed over something else', { isSigned: false }, 'csr_signature'],
  ['signed by way of SHA-1', { digest: 'sha1' }, 'csr_digest'],
  ['for RSA of 1024 bits', { key: 'RSA-1024' }, 'csr_key'],
  ['for Ed25519', { key: 'Ed25519' }, 'csr_key'],
  ['for P-521', { curve: 'P-521' }, 'csr_key'],
  ['for secp256k1', { curve: 'secp256k1' }, 'csr_key'],
  ['for P-192', { curve: 'P-192' }, 'csr_key'],
]

test.for(odd)('FED-08: a request %s', async ([, faults, reason], { federation }) => {
  const invited = await federation.invite()
  const { csrPem } = await requestFor(invited.commonName, faults)
  await expectJudged(federation, invited, { json: { csrPem } }, invalid(reason))
})

const bodies: readonly (readonly [what: string, body: (csrPem: string) => unknown, status: number, error: string])[] = [
  ['no member at all', () => ({}), 400, 'invalid_request'],
  ['an empty text', () => ({ csrPem: '' }), 400, 'invalid_request'],
  ['a member that is not declared', (csrPem) => ({ csrPem, grantId: 'x' }), 400, 'invalid_request'],
  ['a list of requests', (csrPem) => ({ csrPem: [csrPem] }), 400, 'invalid_request'],
  ['a megabyte', () => ({ csrPem: 'A'.repeat(1_000_000) }), 413, 'payload_too_large'],
]

test.for(bodies)('FED-08: a body with %s', async ([, body, status, error], { federation }) => {
  const invited = await federation.invite()
  const reason = status === 413 ? 'enrolment_too_large' : 'enrolment_body'
  const sent = { json: body(invited.request.csrPem) }
  await expectJudged(federation, invited, sent, { status, error, guard: 'enr.body', reason })
})

test.for([
  ['a text', 'text/plain'],
  ['the request alone', 'application/pkcs10'],
  ['a form', 'application/x-www-form-urlencoded'],
  ['something like JSON', 'application/jsonx'],
  ['nothing in particular', undefined],
] as const)('FED-08: a body that says it is %s', async ([, type], { federation }) => {
  const invited = await federation.invite()
  const body = JSON.stringify({ csrPem: invited.request.csrPem })
  const sent = { body, headers: type === undefined ? [] : [['Content-Type', type] as const] }
  const refusal = { status: 415, error: 'unsupported_media_type', guard: 'enr.body', reason: 'enrolment_content_type' }
  await expectJudged(federation, invited, sent, refusal)
})

test.for([
  ['P-256', {}],
  ['P-384', { curve: 'P-384' }],
  ['RSA of 2048 bits', { key: 'RSA-2048' }],
] as const)('FED-08: a sound request for %s is signed', async ([, faults], { federation }) => {
  const invited = await federation.invite()
  expect((await federation.redeem(invited, (await requestFor(invited.commonName, faults)).csrPem)).status).toBe(200)
})
