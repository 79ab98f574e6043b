import { X509Certificate } from 'node:crypto'
import { expect, scenario } from 'holdfast/vitest'
import { federation, type OddRequest, requestFor } from '../federation.ts'
import { expectNotEnrolled, signedFor, storedOf } from '../refusals.ts'

const test = scenario('federation').extend('federation', federation)

const chosen = '99999999-9999-4999-8999-999999999999'
const extension = (oid: string, der: readonly number[], critical = false) => ({
  extensions: [{ oid, critical, der: new Uint8Array(der) }],
})
/** DER of a UTF8String, as a template has it. */
const utf8 = (text: string) => [0x0c, text.length, ...Buffer.from(text)]
const times = (leaf: X509Certificate, text: string) => leaf.raw.toString('latin1').split(text).length - 1

const asked: readonly (readonly [what: string, odd: OddRequest])[] = [
  ['FED-10: a grant of its own', extension('1.3.6.1.4.1.99999.1', utf8(chosen))],
  ['FED-10: a subject of its own', extension('1.3.6.1.4.1.99999.2', utf8(chosen))],
  ['FED-10: a subject of its own, and that this is critical', extension('1.3.6.1.4.1.99999.2', utf8(chosen), true)],
  ['FED-09: to be an authority', extension('2.5.29.19', [0x30, 0x03, 0x01, 0x01, 0xff], true)],
  ['FED-09: to sign certificates', extension('2.5.29.15', [0x03, 0x02, 0x02, 0x04], true)],
  ['FED-09: to be used for anything', extension('2.5.29.37', [0x30, 0x06, 0x06, 0x04, 0x55, 0x1d, 0x25, 0x00])],
  [
    'FED-09: to be used by servers',
    extension('2.5.29.37', [0x30, 0x0a, 0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01]),
  ],
]

test.for(asked)('%s, and gets what B gives', async ([, odd], { federation }) => {
  const invited = await federation.invite()
  const { commonName, grantId, subjectUserId } = invited
  const leaf = new X509Certificate(
    (await federation.redeem(invited, (await requestFor(commonName, odd)).csrPem)).value.certPem,
  )

  expect([leaf.subject, leaf.subjectAltName]).toEqual([`CN=${commonName}`, `DNS:${commonName}`])
  expect([grantId, subjectUserId, chosen].map((id) => times(leaf, id))).toEqual([1, 1, 0])
  expect([leaf.ca, leaf.keyUsage]).toEqual([false, ['1.3.6.1.5.5.7.3.2']])
  // Key usage digitalSignature and nothing else (RFC 5280 section 4.2.1.3): 1 bit, of which seven are unused.
  expect(leaf.raw.includes(Buffer.from('0603551d0f0101ff040403020780', 'hex'))).toBe(true)
})

/** Of the name that it should be for. */
type Names = (own: string) => readonly [name: string, odd?: OddRequest]

const names: readonly (readonly [what: string, names: Names])[] = [
  ['another peer, in both places', () => ['other.test.example']],
  ['another peer as its DNS name', (own) => [own, { sans: ['other.test.example'] }]],
  ['another peer as its common name', (own) => ['other.test.example', { sans: [own] }]],
  ['another peer beside itself', (own) => [own, { sans: [own, 'other.test.example'] }]],
  ['another peer before itself', (own) => [own, { sans: ['other.test.example', own] }]],
  ['itself twice', (own) => [own, { sans: [own, own] }]],
  ['a second common name', (own) => [own, { attributes: [['2.5.4.3', 'other.test.example']] }]],
  ['an organisation as well', (own) => [own, { attributes: [['2.5.4.10', 'somebiz']] }]],
  ['a URI as well', (own) => [own, { uris: [`spiffe://${own}`] }]],
  ['no DNS name', (own) => [own, { sans: [] }]],
  ['itself in capitals', (own) => [own.toUpperCase()]],
  ['what begins like it', (own) => [own.slice(0, -1)]],
  ['what is below it', (own) => [`a.${own}`]],
  ['everybody below its domain', (own) => [own.replace(/^[^.]+/, '*')]],
]

test.for(names)('FED-11: a request that names %s is refused', async ([, of], { federation }) => {
  const invited = await federation.invite()
  const before = await storedOf(federation, invited)
  const { csrPem } = await requestFor(...of(invited.commonName))

  const mismatch = { status: 422, error: 'invalid_csr', guard: 'enr.csr-name', reason: 'csr_name_mismatch' }
  await expectNotEnrolled(federation, await federation.redeem(invited, csrPem), mismatch, invited)
  expect(await storedOf(federation, invited)).toEqual(before)
  expect(await signedFor(federation, invited)).toEqual([])
  expect((await federation.redeem(invited)).status).toBe(200)
})

test('FED-11: a request for a second list of names is refused', async ({ federation }) => {
  const invited = await federation.invite()
  const other = Buffer.from('other.test.example')
  const list = extension('2.5.29.17', [0x30, other.length + 2, 0x82, other.length, ...other])
  const { csrPem } = await requestFor(invited.commonName, list)

  const mismatch = { status: 422, error: 'invalid_csr', guard: 'enr.csr-name', reason: 'csr_name_mismatch' }
  await expectNotEnrolled(federation, await federation.redeem(invited, csrPem), mismatch, invited)
  expect((await federation.redeem(invited)).status).toBe(200)
})

test('FED-11: a key that was certified for one grant is certified for no other', async ({ federation }) => {
  const peer = await federation.asPeer('scope-a')
  const admin = await federation.asAdmin('b')
  const { peerId, scope, commonName, request } = peer.grant
  const body = { peerId, subjectUserId: federation.seed('b').user('bob').id, scope }
  const { id: grantId } = await admin.ask('grant:create', { body })
  const next = { ...peer.grant, grantId, ...(await admin.invite(grantId)) }
  const before = await storedOf(federation, next)

  const reused = { status: 422, error: 'invalid_csr', guard: 'enr.csr-fresh', reason: 'csr_key_reused' }
  await expectNotEnrolled(federation, await federation.redeem(next, request.csrPem), reused, next)
  expect(await storedOf(federation, next)).toEqual(before)
  expect((await federation.redeem(next, (await requestFor(commonName)).csrPem)).value.grantId).toBe(grantId)
})
