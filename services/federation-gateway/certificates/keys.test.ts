import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { calculateJwkThumbprint } from 'jose'
import { expect, test } from 'vitest'
import { isStrongKey, keyThumbprint } from './keys.ts'

const key = (asymmetricKeyType: string, asymmetricKeyDetails: object) =>
  ({ asymmetricKeyType, asymmetricKeyDetails }) as KeyObject

test('P-256, P-384 and RSA of 2048 to 4096 bits are strong, and nothing else is', () => {
  const curves = ['prime256v1', 'secp384r1', 'secp521r1', 'secp256k1', undefined]
  expect(curves.map((namedCurve) => isStrongKey(key('ec', { namedCurve })))).toEqual([true, true, false, false, false])
  const bits = [1024, 2047, 2048, 3072, 4096, 4097, 8192]
  const strong = bits.filter((modulusLength) => isStrongKey(key('rsa', { modulusLength })))
  expect(strong).toEqual([2048, 3072, 4096])
  expect(['rsa-pss', 'dsa', 'dh'].some((type) => isStrongKey(key(type, { modulusLength: 2048 })))).toBe(false)
  expect(['ed25519', 'ed448', 'x25519'].some((type) => isStrongKey(key(type, {})))).toBe(false)
})

test('a thumbprint is that of RFC 7638', async () => {
  const keys = [generateKeyPairSync('ec', { namedCurve: 'P-256' }), generateKeyPairSync('rsa', { modulusLength: 2048 })]
  for (const { publicKey } of keys) {
    const jwk = publicKey.export({ format: 'jwk' })
    expect(keyThumbprint(publicKey)).toBe(await calculateJwkThumbprint(jwk as never))
  }
})

test('a point that is written in its short form is the same key', () => {
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const der = publicKey.export({ format: 'der', type: 'spki' })
  const at = der.length - 65
  const short = Buffer.concat([
    der.subarray(0, at),
    Buffer.from([2 + (der.at(-1)! & 1)]),
    der.subarray(at + 1, at + 33),
  ])
  // The bit string and the sequence around it are 32 octets shorter.
  short[1]! -= 32
  short[at - 2]! -= 32
  const again = createPublicKey({ key: short, format: 'der', type: 'spki' })
  expect(again.equals(publicKey)).toBe(true)
  expect(keyThumbprint(again)).toBe(keyThumbprint(publicKey))
})
