// The x509 package does not load without this polyfill, so it comes first.
import 'reflect-metadata'
import { X509Certificate } from 'node:crypto'
import * as x509 from '@peculiar/x509'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { afterEach, beforeAll, expect, test } from 'vitest'
import { request } from '../../agent/https-request.ts'
import { issueLeaf, rogueAuthority, type SigningAuthority, subordinate } from '../../pki/authority.ts'
import { chainOf } from '../../pki/certificate.ts'
import { newRequest } from '../../pki/request.ts'
import { localSeat } from '../../protocols/seat.ts'
import { uselessAnswers } from '../issuer/issuer-answer.ts'
import { type Defect, defects, grantOid, subjectOid } from './issuing.ts'
import { listenAsCa, type ScriptedCa } from './scripted-ca.ts'

const grant = '0eebcc99-1c0b-4ef8-bb6d-6bb9bd380a11'
const user = '1f0e2b5c-2222-4c3d-9e5f-0a1b2c3d4e5f'
let authority: SigningAuthority
let ca: ScriptedCa
let ask: { csr: string; ott: string; notAfter: string }

beforeAll(async () => {
  authority = await subordinate(await rogueAuthority('Fed Root'), 'Fed Issuing CA')
  const certificate = await issueLeaf({ authority, subject: 'ca.test', sans: ['ca.test'] })
  ca = await listenAsCa({ seat: localSeat(), host: 'ca.test', certificate, authority })
  const { privateKey } = await generateKeyPair('ES256', { extractable: true })
  const claims = { sans: ['peer.test'], mosaic_grant_id: grant, mosaic_subject_user_id: user }
  const token = new SignJWT(claims).setIssuer('mosaic-fed').setSubject('peer.test')
  const ott = await token.setProtectedHeader({ alg: 'ES256', kid: 'of-the-key' }).sign(privateKey)
  expect(await exportJWK(privateKey)).toHaveProperty('d')
  ask = { csr: (await newRequest({ subject: 'peer.test', sans: ['peer.test'] })).csrPem, ott, notAfter: '300s' }
  return () => ca[Symbol.asyncDispose]()
})
afterEach(() => ca.reset())

function call(method: 'GET' | 'POST', path: string, json?: unknown, timeoutMs = 5_000) {
  const { address, port } = ca
  return request({
    method,
    url: `https://ca.test:${port}${path}`,
    address,
    tls: { ca: authority.anchorPem },
    json,
    timeoutMs,
  })
}

async function signedLeaf(): Promise<x509.X509Certificate> {
  const { status, json } = await call('POST', '/1.0/sign', ask)
  expect(status).toBe(201)
  return new x509.X509Certificate((json as { crt: string }).crt)
}

/** All that a judge of leaves looks at. */
function lookOf(leaf: x509.X509Certificate) {
  const values = (oid: string) =>
    leaf.extensions.filter(({ type }) => type === oid).map(({ value }) => Buffer.from(value).toString('latin1'))
  return {
    grant: values(grantOid),
    subject: values(subjectOid),
    provisioner: values('1.3.6.1.4.1.37476.9000.64.1'),
    name: leaf.subject,
    sans: leaf
      .getExtension(x509.SubjectAlternativeNameExtension)
      ?.names.toJSON()
      .map(({ value }) => value),
    usages: leaf.getExtension(x509.ExtendedKeyUsageExtension)?.usages,
    isAuthority: leaf.getExtension(x509.BasicConstraintsExtension)?.ca,
    key: Buffer.from(leaf.publicKey.rawData).toString('hex'),
    issuer: leaf.issuer,
    begins: Math.round((leaf.notBefore.getTime() - Date.now()) / 600_000),
    ends: Math.round((leaf.notAfter.getTime() - Date.now()) / 600_000),
    points: leaf.extensions.some(({ type }) => type === '2.5.29.31'),
  }
}

test('it signs what the token says for the key of the request, as step-ca would answer', async () => {
  const { status, json } = await call('POST', '/1.0/sign', ask)
  const { crt, ca: issuing, certChain } = json as { crt: string; ca: string; certChain: string[] }

  expect(status).toBe(201)
  expect(certChain).toEqual([crt, issuing])
  expect(new X509Certificate(crt).verify(new X509Certificate(issuing).publicKey)).toBe(true)
  expect(chainOf(authority.anchorPem)[0]!.subject).toBe(new X509Certificate(issuing).issuer)
  const leaf = new x509.X509Certificate(crt)
  expect(lookOf(leaf)).toMatchObject({
    ...{ grant: [`\x0c$${grant}`], subject: [`\x0c$${user}`], sans: ['peer.test'], isAuthority: false, points: true },
    usages: [x509.ExtendedKeyUsage.clientAuth],
    provisioner: ['0\x1b\x02\x01\x01\x04\x0amosaic-fed\x04\x0aof-the-key'],
    key: Buffer.from(new x509.Pkcs10CertificateRequest(ask.csr).publicKey.rawData).toString('hex'),
  })
  expect(leaf.notAfter.getTime() - leaf.notBefore.getTime()).toBe(360_000)
  expect(ca.issued).toEqual([new X509Certificate(crt).serialNumber])
  expect(ca.requests).toMatchObject([{ endpoint: 'sign', method: 'POST', presented: undefined }])
})

const changes: Readonly<Record<Defect, readonly string[]>> = {
  'no extension of the token': ['grant', 'subject'],
  'no grant': ['grant'],
  'no subject': ['subject'],
  'another grant': ['grant'],
  'another subject': ['subject'],
  'grant and subject swapped': ['grant', 'subject'],
  'a grant that is a PrintableString': ['grant'],
  'a grant in capitals': ['grant'],
  'bytes behind the grant': ['grant'],
  'another key': ['key'],
  'another name': ['name', 'sans'],
  'one more name': ['sans'],
  'no provisioner': ['provisioner'],
  'another provisioner': ['provisioner'],
  expired: ['begins', 'ends'],
  'not yet valid': ['begins', 'ends'],
  'a day of life': ['ends'],
  'for servers, too': ['usages'],
  'for nothing in particular': ['usages'],
  'an authority': ['isAuthority'],
  'of another root': ['issuer'],
}

test.each(Object.entries(changes))('spoiled so: %s, a leaf differs in %j alone', async (defect, differing) => {
  const honest = lookOf(await signedLeaf())
  ca.spoil(defect as Defect)
  const spoiled = lookOf(await signedLeaf())
  const found = Object.keys(honest).filter((part) => {
    const [one, other] = [honest, spoiled].map((look) => JSON.stringify(look[part as keyof typeof look]))
    return one !== other
  })

  expect(found).toEqual(differing)
  ca.spoil()
  expect(lookOf(await signedLeaf())).toEqual(honest)
})

test('each defect is in the table', () => {
  expect(Object.keys(changes)).toEqual(Object.keys(defects))
})

test.each([
  ['refuses', { status: 401, body: { status: 401, message: 'no' } }, 401],
  ['fails', { status: 500, body: { status: 500, message: 'no' } }, 500],
  ['answers with garbage', { status: 201, body: { crt: 'garbage', ca: 'garbage', certChain: ['garbage'] } }, 201],
] as const)('by a script it %s', async (_, answer, status) => {
  ca.script('sign', answer)
  const { status: found, json } = await call('POST', '/1.0/sign', ask)
  expect([found, json]).toEqual([status, answer.body])
})

test('a script gets what an honest one would say: here with a status that no step-ca has', async () => {
  ca.script('sign', (_, honest) => ({ status: 200, body: honest }))
  const { status, json } = await call('POST', '/1.0/sign', ask)

  expect(status).toBe(200)
  expect(json).toHaveProperty('certChain.length', 2)
})

test('it hangs, says half of a text, and says too much', async () => {
  ca.script('sign', 'silence')
  await expect(call('POST', '/1.0/sign', ask, 200)).rejects.toThrow()
  ca.script('sign', uselessAnswers['half of a JSON text'])
  expect((await call('POST', '/1.0/sign', ask)).json).toBeUndefined()
  ca.script('sign', uselessAnswers['ten megabytes'])
  await expect(call('POST', '/1.0/sign', ask)).rejects.toThrow()
})

test('with another certificate it is another server: a caller that pins the root sends nothing', async () => {
  ca.present(await issueLeaf({ authority: await rogueAuthority(), subject: 'ca.test', sans: ['ca.test'] }))

  await expect(call('POST', '/1.0/sign', ask)).rejects.toThrow()
  expect(ca.requests).toEqual([])
  await ca.reset()
  await signedLeaf()
})

test('whom it revoked stands in its CRL, which is signed and says where it is', async () => {
  const leaf = await signedLeaf()
  const serial = BigInt(`0x${leaf.serialNumber}`).toString()
  const read = async () =>
    new x509.X509Crl(x509.PemConverter.decodeFirst((await call('GET', '/1.0/crl?pem=true')).text))
  expect((await read()).entries).toEqual([])

  expect((await call('POST', '/1.0/revoke', { serial, ott: ask.ott, passive: true })).json).toEqual({ status: 'ok' })
  expect((await call('POST', '/1.0/revoke', { serial, ott: ask.ott, passive: true })).status).toBe(400)
  const crl = await read()
  expect(crl.entries.map(({ serialNumber }) => BigInt(`0x${serialNumber}`).toString())).toEqual([serial])
  expect(await crl.verify({ publicKey: authority.certificate })).toBe(true)
  const idp = crl.extensions.find(({ type }) => type === '2.5.29.28')
  expect([idp?.critical, Buffer.from(idp!.value).toString('latin1')]).toEqual([
    true,
    expect.stringContaining(`${ca.url}/1.0/crl`),
  ])
  expect(ca.revoked).toEqual([serial])
})

test('its CRL is as bad as it is told to be', async () => {
  const read = async () =>
    new x509.X509Crl(x509.PemConverter.decodeFirst((await call('GET', '/1.0/crl?pem=true')).text))
  const rogue = await rogueAuthority()
  ca.spoilCrl({ authority: rogue, nextUpdate: new Date(Date.now() - 1_000), thisUpdate: new Date(Date.now() - 10_000) })
  const crl = await read()

  expect(crl.nextUpdate!.getTime()).toBeLessThan(Date.now())
  expect(await crl.verify({ publicKey: authority.certificate })).toBe(false)
  expect(await crl.verify({ publicKey: rogue.certificate })).toBe(true)
  ca.spoilCrl()
  expect(await (await read()).verify({ publicKey: authority.certificate })).toBe(true)
})

test.each([
  ['no JSON', 'x'],
  ['no CSR', { ott: 'x' }],
  ['no token', { csr: 'x' }],
])('%s is told so, and signs nothing', async (_, body) => {
  expect((await call('POST', '/1.0/sign', body)).status).toBe(400)
  expect(ca.issued).toEqual([])
})

test('it is healthy, and knows no other path', async () => {
  expect((await call('GET', '/health')).json).toEqual({ status: 'ok' })
  expect((await call('GET', '/nowhere')).status).toBe(404)
})
