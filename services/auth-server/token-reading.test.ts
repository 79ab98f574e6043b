import { CompactSign, type CryptoKey, generateKeyPair } from 'jose'
import { beforeAll, expect, test } from 'vitest'
import type { KeyRing } from './keys.ts'
import type { Store } from './store/store.ts'
import { readToken } from './token-reading.ts'

const ISSUER = 'https://auth.test:8443'

let signing: CryptoKey
let ring: KeyRing

beforeAll(async () => {
  const { privateKey, publicKey } = await generateKeyPair('ES256')
  signing = privateKey
  ring = { verifier: async () => ({ alg: 'ES256', key: publicKey }) } as unknown as KeyRing
})

const store = { tokens: { find: (jti: string) => (jti === 'kept' ? { jti } : undefined) } } as unknown as Store

async function read(payload: string) {
  const header = { alg: 'ES256', typ: 'at+jwt', kid: 'one' }
  const token = await new CompactSign(Buffer.from(payload)).setProtectedHeader(header).sign(signing)
  return readToken(token, ring, store, ISSUER)
}

test('a recorded token is read', async () => {
  expect(await read(JSON.stringify({ iss: ISSUER, jti: 'kept' }))).toEqual({ token: { jti: 'kept' } })
  expect(await read(JSON.stringify({ iss: ISSUER, jti: 'lost' }))).toEqual({ nothing: 'unrecorded' })
})

test.each(['null', 'true', '7', '"text"', '[]', '{}', '{"iss":null}', 'no JSON', '\u0000', ''])(
  'a payload %j is no token, whoever signed it',
  async (payload) => {
    expect(await read(payload)).toEqual({ nothing: 'forged' })
  },
)
