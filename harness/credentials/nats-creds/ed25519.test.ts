import { createUser, fromPublic, fromSeed } from '@nats-io/nkeys'
import { expect, test } from 'vitest'
import './ed25519.ts'

const bytes = (text: string) => new TextEncoder().encode(text)
const message = bytes('a nonce')
// Made by the library as it comes.
const seed = 'SUAMCUZ2CE2HKFASEYRN3WJNJXWT3TD5N2WJCAXRIQLKOBQFXIB4ZLFMEU'
const key = 'UAGZXNSKSO4QCGWYEKW7WHYQSCIGNK4YETR2SMROLBRTACUXFUJTG6RR'
const signature = Buffer.from(
  '6bf6708540e5c559f2daaba3f6053729550da0b46781353c492c1f2d5ddb7b5f77aa29158e91eae8f73e1f6be3c17b900cb3de2840d252b7cda412935ccd1003',
  'hex',
)

test('keys and signatures are those of the library', () => {
  const user = fromSeed(bytes(seed))

  expect(user.getPublicKey()).toBe(key)
  expect(Buffer.from(user.sign(message))).toEqual(signature)
  expect(fromPublic(key).verify(message, signature)).toBe(true)
})

test('another message, another key and a changed signature are refused', () => {
  const changed = Uint8Array.from(signature).with(0, signature[0]! ^ 1)

  expect(fromPublic(key).verify(bytes('another'), signature)).toBe(false)
  expect(fromPublic(createUser().getPublicKey()).verify(message, signature)).toBe(false)
  expect(fromPublic(key).verify(message, changed)).toBe(false)
  expect(() => fromPublic(key).verify(message, signature.subarray(1))).toThrow('bad signature size')
})

test('a signature in a second form is none, as for the broker (RFC 8032 section 5.1.7)', () => {
  // The order of the group is added to its second half: the same by calculation, and other bytes.
  const order = 2n ** 252n + 27742317777372353535851937790883648493n
  const half = BigInt(`0x${Buffer.from(signature.subarray(32)).reverse().toString('hex')}`) + order
  const other = Buffer.from(half.toString(16).padStart(64, '0'), 'hex').reverse()

  expect(fromPublic(key).verify(message, Buffer.concat([signature.subarray(0, 32), other]))).toBe(false)
})

test('it is not the library that signs: that takes some milliseconds', () => {
  const user = fromSeed(bytes(seed))
  const began = process.cpuUsage()
  for (let times = 0; times < 100; times += 1) user.sign(message)
  const { user: own, system } = process.cpuUsage(began)

  expect((own + system) / 1000).toBeLessThan(300)
})
