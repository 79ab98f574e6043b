import { generateKeyPairSync, sign } from 'node:crypto'
import { expect, test } from 'vitest'
import { isSignedBy, isStrongDigest } from './signature.ts'

const EC = {
  sha1: '1.2.840.10045.4.1',
  sha256: '1.2.840.10045.4.3.2',
  sha384: '1.2.840.10045.4.3.3',
  sha512: '1.2.840.10045.4.3.4',
}
const RSA = {
  sha1: '1.2.840.113549.1.1.5',
  sha256: '1.2.840.113549.1.1.11',
  sha384: '1.2.840.113549.1.1.12',
  sha512: '1.2.840.113549.1.1.13',
}
const content = Buffer.from('content')
const keys = {
  EC: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  RSA: generateKeyPairSync('rsa', { modulusLength: 2048 }),
}

test.each([
  ['EC', EC],
  ['RSA', RSA],
] as const)('a signature with a key of %s holds for its digest and its content', (type, oids) => {
  const { publicKey, privateKey } = keys[type]
  for (const [digest, algorithm] of Object.entries(oids)) {
    const signature = sign(digest, content, privateKey)
    const isGood = digest !== 'sha1'
    expect([digest, isStrongDigest(algorithm), isSignedBy(publicKey, { content, algorithm, signature })]).toEqual([
      digest,
      isGood,
      isGood,
    ])
    expect(isSignedBy(publicKey, { content: Buffer.from('other'), algorithm, signature })).toBe(false)
    for (const other of Object.values(oids)) {
      if (other !== algorithm) expect(isSignedBy(publicKey, { content, algorithm: other, signature })).toBe(false)
    }
  }
})

test('an algorithm is that of the key', () => {
  for (const [type, algorithm] of [
    ['EC', RSA.sha256],
    ['RSA', EC.sha256],
  ] as const) {
    const signature = sign('sha256', content, keys[type].privateKey)
    expect(isSignedBy(keys[type].publicKey, { content, algorithm, signature })).toBe(false)
  }
})

test('names of members that all objects have are no algorithms', () => {
  expect(['toString', '__proto__', 'constructor', ''].some(isStrongDigest)).toBe(false)
})
