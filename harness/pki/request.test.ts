import { createHash, createPrivateKey, createPublicKey } from 'node:crypto'
import 'reflect-metadata'
import { Pkcs10CertificateRequest, SubjectAlternativeNameExtension } from '@peculiar/x509'
import { expect, test } from 'vitest'
import { newRequest } from './request.ts'

test('a request carries its names, its own P-256 key, and a fingerprint of its DER', async () => {
  const { csrPem, keyPem, x5rt } = await newRequest({ subject: 'a.test', sans: ['a.test', 'b.test'] })
  const csr = new Pkcs10CertificateRequest(csrPem)
  const key = createPrivateKey(keyPem)

  expect(await csr.verify()).toBe(true)
  expect(csr.subject).toBe('CN=a.test')
  expect(namesOf(csr)).toEqual(['a.test', 'b.test'])
  expect(key.asymmetricKeyDetails).toEqual({ namedCurve: 'prime256v1' })
  const published = createPublicKey(key).export({ type: 'spki', format: 'der' })
  expect(Buffer.from(csr.publicKey.rawData).equals(published)).toBe(true)
  expect(x5rt).toBe(createHash('sha256').update(Buffer.from(csr.rawData)).digest('base64url'))
})

test('every request has a key of its own', async () => {
  const [one, other] = await Promise.all([1, 2].map(() => newRequest({ subject: 'a.test', sans: ['a.test'] })))

  expect(one!.keyPem).not.toBe(other!.keyPem)
})

test.for([
  [{ key: 'RSA-1024' }, 'rsa', { modulusLength: 1024, publicExponent: 65537n }],
  [{ key: 'Ed25519' }, 'ed25519', {}],
  [{ curve: 'P-384' }, 'ec', { namedCurve: 'secp384r1' }],
] as const)('a request may be for another key: %j', async ([odd, type, details]) => {
  const { csrPem, keyPem } = await newRequest({ subject: 'a.test', sans: ['a.test'] }, odd)
  const key = createPrivateKey(keyPem)

  expect([key.asymmetricKeyType, key.asymmetricKeyDetails]).toEqual([type, details])
  expect(await new Pkcs10CertificateRequest(csrPem).verify()).toBe(true)
})

test('a request may ask for more than a name, and for no other name', async () => {
  const extension = { oid: '1.2.3.4', critical: true, der: new Uint8Array([5, 0]) }
  const odd = {
    attributes: [['2.5.4.10', 'an organisation']],
    uris: ['https://a.test'],
    extensions: [extension],
  } as const
  const csr = new Pkcs10CertificateRequest((await newRequest({ subject: 'a.test', sans: [] }, odd)).csrPem)

  expect([csr.subject, namesOf(csr)]).toEqual(['CN=a.test, O=an organisation', ['https://a.test']])
  expect(csr.getExtension('1.2.3.4')).toMatchObject({ critical: true })
  const bare = new Pkcs10CertificateRequest((await newRequest({ subject: 'a.test', sans: [] })).csrPem)
  expect(bare.getExtension('2.5.29.17')).toBeNull()
})

function namesOf(csr: Pkcs10CertificateRequest): string[] {
  const extension = csr.getExtension('2.5.29.17')
  if (extension === null || extension === undefined) return []
  return new SubjectAlternativeNameExtension(extension.rawData).names.items.map(({ value }) => value)
}
