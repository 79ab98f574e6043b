import { Algorithms, decode, encodeUser } from '@nats-io/jwt'
import { createAccount, createCurve, createUser, fromSeed, type KeyPair } from '@nats-io/nkeys'
import { expect, test } from 'vitest'
import { publicKeyIn, signerOf, signingKey } from './signing-key.ts'

const text = new TextEncoder().encode('a nonce')

test('it is the key of its seed, and signs what that key signs', () => {
  const own = createUser()

  expect(signingKey(own.getSeed()).getPublicKey()).toBe(own.getPublicKey())
  expect(Buffer.from(signingKey(own.getSeed()).sign(text))).toEqual(Buffer.from(own.sign(text)))
  expect(own.verify(text, signerOf(own.getSeed())(text))).toBe(true)
  expect(own.verify(text, signerOf(createUser().getSeed())(text))).toBe(false)
})

test('a JWT that it signed is one of its account', async () => {
  const [account, user] = [createAccount(), createUser()]
  const options = { algorithm: Algorithms.v2, signer: signingKey(account.getSeed()) }

  const jwt = await encodeUser('host-1', user.getPublicKey(), account.getPublicKey(), {}, options)

  expect(decode(jwt)).toMatchObject({ iss: account.getPublicKey(), sub: user.getPublicKey() })
})

test('what is no seed signs nothing', () => {
  expect(() => signingKey(new TextEncoder().encode('SUAA'))).toThrow()
  expect(() => signerOf(new TextEncoder().encode(fromSeed(createUser().getSeed()).getPublicKey()))).toThrow()
})

test.each<[string, () => KeyPair]>([
  ['a user', createUser],
  ['an account', createAccount],
  ['sealing', createCurve],
])('a seed for %s has the public key that the library finds', (_, make) => {
  const own = make()

  expect(publicKeyIn(own.getSeed())).toBe(own.getPublicKey())
  expect(() => publicKeyIn(new TextEncoder().encode(own.getPublicKey()))).toThrow()
})

test('a key for sealing signs nothing', () => {
  expect(() => signerOf(createCurve().getSeed())).toThrow()
})
