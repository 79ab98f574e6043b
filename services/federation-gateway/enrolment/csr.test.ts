import { beforeAll, describe, expect, test } from 'vitest'
import { derInPem, pemOf } from '../certificates/pem.ts'
import * as made from '../testing/certificates.ts'
import { x509 } from '../testing/certificates.ts'
import { type CsrAttempt, csrIn, enrCsr, enrCsrFresh, enrCsrName, readCsr, renewCsr } from './csr.ts'

const { PEER } = made
const GUARDS = [enrCsr, enrCsrName, enrCsrFresh]
const attemptOf = (csrPem: string, change: Partial<CsrAttempt> = {}): CsrAttempt => {
  return { csrPem, commonName: PEER, isKeyKnown: async () => false, ...change }
}

/** The first refusal of an enrolment, and what a renewal says of the same. */
async function judged(csrPem: string, change?: Partial<CsrAttempt>) {
  const renewal = await renewCsr.check(attemptOf(csrPem, change))
  for (const { id, check } of GUARDS) {
    const refusal = await check(attemptOf(csrPem, change))
    if (refusal === undefined) continue
    expect(renewal).toEqual({ reason: 'renew_csr_rejected', status: 422, error: 'invalid_csr' })
    expect(refusal).toMatchObject({ status: 422, error: 'invalid_csr' })
    return `${id} ${refusal.reason}`
  }
  expect(renewal).toBeUndefined()
  return undefined
}

let good: string
let keys: made.Keys
beforeAll(async () => {
  keys = await made.makeKeys()
  good = await made.makeCsr({ keys })
})

test('a request for the name of the peer passes', async () => {
  expect(await judged(good)).toBeUndefined()
  const csr = csrIn(attemptOf(good))!
  expect(csr.publicKey.equals(made.publicKeyOf(keys))).toBe(true)
  expect(csr.x5rt).toBe(made.sha256(derInPem(good, 'CERTIFICATE REQUEST')!))
})

test.each<[string, { name: string; hash?: string }]>([
  ['P-384 with SHA-384', made.P384],
  ['P-256 with SHA-512', { ...made.P256, hash: 'SHA-512' }],
  ['RSA of 2048 bits', made.rsa(2048)],
  ['RSA of 4096 bits with SHA-512', made.rsa(4096, 'SHA-512')],
])('so does one with %s', async (_, algorithm) => {
  expect(await judged(await made.makeCsr({ algorithm }))).toBeUndefined()
})

test('what else it asks for is no matter, since nobody takes it over', async () => {
  const more = [
    new x509.BasicConstraintsExtension(true, undefined, true),
    new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign),
    made.uuidExtension(made.OIDS.grant, made.SUBJECT),
  ]
  expect(await judged(await made.makeCsr({ more }))).toBeUndefined()
})

describe('enr.csr', () => {
  test('csr_malformed: what is not one request in one PEM block', async () => {
    const der = derInPem(good, 'CERTIFICATE REQUEST')!
    const ca = await made.rootCa('ca')
    const certificate = pemOf(ca.certificate.raw, 'CERTIFICATE')
    const odd = [
      ...['', 'csr', `${good}${good}`, `${good}x`, `x${good}`, `${certificate}${good}`, certificate],
      ...[good.replaceAll('CERTIFICATE REQUEST', 'NEW CERTIFICATE REQUEST'), der.toString('base64')],
      pemOf(ca.certificate.raw, 'CERTIFICATE REQUEST'),
      pemOf(Buffer.concat([der, Buffer.alloc(1)]), 'CERTIFICATE REQUEST'),
      pemOf(der.subarray(0, -1), 'CERTIFICATE REQUEST'),
      pemOf(Buffer.from('3000', 'hex'), 'CERTIFICATE REQUEST'),
      good.replace('\n', '\nProc-Type: 4,ENCRYPTED\n\n'),
    ]
    for (const text of odd)
      expect([text.slice(0, 60), await judged(text)]).toEqual([text.slice(0, 60), 'enr.csr csr_malformed'])
  })

  test('csr_signature: one that another key has signed, or that was changed since', async () => {
    const der = derInPem(good, 'CERTIFICATE REQUEST')!
    const last = Buffer.from(der)
    last[last.length - 1]! ^= 1
    expect(await judged(pemOf(last, 'CERTIFICATE REQUEST'))).toBe('enr.csr csr_signature')
    const renamed = Buffer.from(der)
    renamed.write('gateway-z', renamed.indexOf('gateway-a'))
    expect(await judged(pemOf(renamed, 'CERTIFICATE REQUEST'), { commonName: 'gateway-z.example' })).toBe(
      'enr.csr csr_signature',
    )
    // The key of one request in another that asks for the same.
    const other = derInPem(await made.makeCsr(), 'CERTIFICATE REQUEST')!
    const swapped = Buffer.from(der)
    const point = (bytes: Buffer) => bytes.indexOf(Buffer.from('03420004', 'hex'))
    other.copy(swapped, point(der), point(other), point(other) + 68)
    expect(await judged(pemOf(swapped, 'CERTIFICATE REQUEST'))).toBe('enr.csr csr_signature')
  })

  test.each<[string, { name: string; hash?: string }]>([
    ['P-521', made.P521],
    ['Ed25519', made.ED25519],
    ['RSA of 1024 bits', made.rsa(1024)],
  ])('csr_key: one with a key of %s', async (_, algorithm) => {
    expect(await judged(await made.makeCsr({ algorithm }))).toBe('enr.csr csr_key')
  })

  test('csr_digest: one that was signed over SHA-1', async () => {
    expect(await judged(await made.makeCsr({ algorithm: { ...made.P256, hash: 'SHA-1' } }))).toBe('enr.csr csr_digest')
    expect(await judged(await made.makeCsr({ algorithm: made.rsa(2048, 'SHA-1') }))).toBe('enr.csr csr_digest')
  })
})

test.each<[string, made.CsrChanges]>([
  ['another common name', { subject: 'CN=gateway-b.example' }],
  ['two common names', { subject: `CN=${PEER}, CN=${PEER}` }],
  ['more than a common name', { subject: `CN=${PEER}, O=acme` }],
  ['no subject', { subject: '' }],
  ['its name as an organisation', { subject: `O=${PEER}` }],
  ['other letters', { subject: `CN=${PEER.toUpperCase()}` }],
  ['no SAN', { names: undefined }],
  ['another SAN', { names: made.namesExtension(['dns', 'gateway-b.example']) }],
  ['a SAN more', { names: made.namesExtension(['dns', PEER], ['dns', 'gateway-b.example']) }],
  ['its SAN twice', { names: made.namesExtension(['dns', PEER], ['dns', PEER]) }],
  ['an address more', { names: made.namesExtension(['dns', PEER], ['ip', '10.0.0.1']) }],
  ['a mailbox', { names: made.namesExtension(['email', PEER]) }],
  ['a second extension of SANs', { more: [made.namesExtension(['dns', 'gateway-b.example'])] }],
])('enr.csr-name: one with %s', async (_, changes) => {
  expect(await judged(await made.makeCsr(changes))).toBe('enr.csr-name csr_name_mismatch')
})

test('enr.csr-fresh: one for a key that was in a certificate before', async () => {
  const known = new Set([csrIn(attemptOf(good))!.keyThumbprint])
  const isKeyKnown = async (thumbprint: string) => known.has(thumbprint)
  const again = await made.makeCsr({ keys, more: [made.uuidExtension('1.2.3', made.GRANT)] })
  expect(await judged(good, { isKeyKnown })).toBe('enr.csr-fresh csr_key_reused')
  expect(await judged(again, { isKeyKnown })).toBe('enr.csr-fresh csr_key_reused')
  expect(await judged(await made.makeCsr(), { isKeyKnown })).toBeUndefined()
})

test('what is large or deep is malformed, and quickly', () => {
  const deep = Buffer.alloc(8000, 0x30)
  const began = process.cpuUsage()
  for (const text of [
    '-'.repeat(12_000),
    pemOf(deep, 'CERTIFICATE REQUEST'),
    `-----BEGIN CERTIFICATE REQUEST-----\n${'\n'.repeat(12_000)}`,
  ]) {
    expect(readCsr(text)).toBe('csr_malformed')
  }
  // Time of this process, whatever else the machine does.
  expect(process.cpuUsage(began).user / 1000).toBeLessThan(1000)
})
