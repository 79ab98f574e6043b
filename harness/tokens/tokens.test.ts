import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK, jwtVerify } from 'jose'
import { beforeAll, expect, test } from 'vitest'
import { rogueAuthority } from '../pki/authority.ts'
import { thumbprintS256 } from '../pki/certificate.ts'
import { unspoiled } from '../pki/spoiled.ts'
import { mutateClaims, signToken, tamperSignature } from './forge.ts'
import { inspectToken } from './inspect.ts'
import { misbindings } from './misbound.ts'

let key: JWK
let pem: string
let token: string

beforeAll(async () => {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true })
  key = await exportJWK(privateKey)
  const authority = await rogueAuthority()
  // Of a digest without these two characters, standard base64 is the padded form.
  do pem = (await unspoiled({ authority, subject: 'b.test', sans: ['b.test'] })).certPem
  while (!/[-_]/.test(thumbprintS256(pem)))
  const claims = { iss: 'https://auth.test', sub: 'b', jti: 'one', cnf: { 'x5t#S256': thumbprintS256(pem) } }
  token = await signToken({ key, header: { typ: 'at+jwt', kid: await calculateJwkThumbprint(key) }, claims })
})

function verified(text: string) {
  const { d: _, ...publicKey } = key
  return jwtVerify(text, publicKey, { typ: 'at+jwt', algorithms: ['ES256'] })
}

test('a signed token verifies and is read back', async () => {
  await verified(token)
  expect(inspectToken(token)).toMatchObject({ jti: 'one', thumbprint: thumbprintS256(pem), claims: { sub: 'b' } })
  expect(inspectToken('some-token')).toBeUndefined()
})

test('a tampered signature keeps its form and fails to verify', async () => {
  const tampered = tamperSignature(token)
  expect(tampered).toHaveLength(token.length)
  await expect(verified(tampered)).rejects.toMatchObject({ code: 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED' })
  expect(() => tamperSignature('a.b')).toThrow(expect.objectContaining({ code: 'HOLDFAST_TOKEN_NOT_READABLE' }))
})

test('mutated claims are validly signed under a jti of their own', async () => {
  const { payload } = await verified(await mutateClaims(token, key, (claims) => ({ ...claims, sub: 'c' })))
  expect(payload).toMatchObject({ sub: 'c', iss: 'https://auth.test' })
  expect(payload.jti).not.toBe('one')
})

test.each(Object.keys(misbindings))('%s is validly signed and never the right binding', async (name) => {
  const mutation = misbindings[name]!(pem)
  const { payload } = await verified(await mutateClaims(token, key, mutation))
  expect((payload.cnf as Record<string, unknown> | undefined)?.['x5t#S256']).not.toBe(thumbprintS256(pem))
})

test('where standard base64 looks like base64url, its misbinding is wrong all the same', async () => {
  const authority = await rogueAuthority()
  let plain: string
  do plain = (await unspoiled({ authority, subject: 'b.test', sans: ['b.test'] })).certPem
  while (/[-_]/.test(thumbprintS256(plain)))

  const wrong = Object.values(misbindings).map((misbinding) => misbinding(plain)({}).cnf as Record<string, unknown>)
  expect(wrong.map((cnf) => cnf?.['x5t#S256'])).not.toContain(thumbprintS256(plain))
})

test('the misbindings are all different from each other', async () => {
  const texts = Object.values(misbindings).map((misbinding) => JSON.stringify(misbinding(pem)({})))
  expect(new Set(texts).size).toBe(Object.keys(misbindings).length)
})
