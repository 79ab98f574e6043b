import { generateKeyPairSync } from 'node:crypto'
import { calculateJwkThumbprint } from 'jose'
import { expect, test } from 'vitest'
import { ProvisionerKeyRefused, readProvisionerKey } from './provisioner-key.ts'

type Jwk = Record<string, unknown>
async function jwkOf(type: 'ec' | 'rsa', options: object): Promise<Jwk> {
  const { privateKey } = generateKeyPairSync(type as 'ec', options as { namedCurve: string })
  const jwk = privateKey.export({ format: 'jwk' }) as Jwk
  return { ...jwk, kid: await calculateJwkThumbprint(jwk as never) }
}
const p256 = await jwkOf('ec', { namedCurve: 'P-256' })
const read = (jwk: unknown) => readProvisionerKey(typeof jwk === 'string' ? jwk : JSON.stringify(jwk))

test.each<[string, Jwk]>([
  ['ES256', p256],
  ['ES256', { ...p256, alg: 'ES256', use: 'sig' }],
  ['ES384', await jwkOf('ec', { namedCurve: 'P-384' })],
  ['RS256', await jwkOf('rsa', { modulusLength: 2048 })],
])('a private key signs by %s', async (alg, jwk) => {
  const key = await read(jwk)
  expect({ alg: key.alg, kid: key.kid, type: key.key.type }).toEqual({ alg, kid: jwk.kid, type: 'private' })
})

const { d, ...publicOnly } = p256
const bits1024 = await jwkOf('rsa', { modulusLength: 1024 })
const p521 = await jwkOf('ec', { namedCurve: 'P-521' })
test.each<[string, unknown, string]>([
  ['nothing', '', 'no JSON'],
  ['half a JSON', '{"kty":', 'no JSON'],
  ['null', 'null', 'no JSON'],
  ['a list', [p256], 'no JSON'],
  ['a symmetric key', { kty: 'oct', k: 'c2VjcmV0LXdvcmQ', alg: 'HS256', kid: 'x' }, 'kty and crv'],
  ['a key on P-521', p521, 'kty and crv'],
  ['a key on a curve of another name', { ...p256, crv: 'toString' }, 'kty and crv'],
  ['a public key', publicOnly, 'public key'],
  ['a key for another algorithm', { ...p256, alg: 'HS256' }, 'alg'],
  ['a key for RS256 on a curve', { ...p256, alg: 'RS256' }, 'alg'],
  ['no kid', { ...p256, kid: undefined }, 'kid'],
  ['another kid', { ...p256, kid: `${p256.kid}`.replace(/^./, (first) => (first === 'A' ? 'B' : 'A')) }, 'kid'],
  ['no key', { ...p256, x: 'AAAA' }, 'no key'],
  ['an RSA key of 1024 bits', bits1024, '2048 bits'],
])('%s is refused', async (_, jwk, why) => {
  const refusal = await read(jwk).catch((cause: unknown) => cause)
  expect(refusal).toBeInstanceOf(ProvisionerKeyRefused)
  expect(String(refusal)).toContain(why)
  for (const secret of [d, bits1024.d, 'c2VjcmV0LXdvcmQ'])
    expect(String((refusal as Error).stack)).not.toContain(secret)
  expect((refusal as Error).cause).toBeUndefined()
})
