import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { calculateJwkThumbprint, decodeProtectedHeader, jwtVerify } from 'jose'
import { expect, test } from 'vitest'
import { revokingToken, type Signer, signingToken } from './one-time-token.ts'
import { readProvisionerKey } from './provisioner-key.ts'

const now = Date.parse('2026-01-31T09:00:00.900Z')
const seconds = Date.parse('2026-01-31T09:00:00Z') / 1000
const to = { commonName: 'gateway-a.example', grantId: 'g', subjectUserId: 's', x5rt: 'hash-of-csr' }

async function signer(namedCurve: string): Promise<Signer> {
  const jwk = generateKeyPairSync('ec', { namedCurve }).privateKey.export({ format: 'jwk' })
  const kid = await calculateJwkThumbprint(jwk as never)
  const key = await readProvisionerKey(JSON.stringify({ ...jwk, kid }))
  return { caUrl: 'https://ca.example:9000', provisioner: 'mosaic-fed', key, rootFingerprint: 'ab'.repeat(32) }
}
async function claimsOf({ key }: Signer, token: string) {
  const { payload } = await jwtVerify(token, createPublicKey(key.key), { currentDate: new Date(now) })
  return payload
}

test.each([
  ['P-256', 'ES256'],
  ['P-384', 'ES384'],
])('a token to sign, by a key on %s', async (curve, alg) => {
  const by = await signer(curve)
  const token = await signingToken(by, to, now)
  expect(decodeProtectedHeader(token)).toEqual({ alg, kid: by.key.kid, typ: 'JWT' })
  const { jti, ...claims } = await claimsOf(by, token)
  expect(jti).toMatch(/^[0-9a-f]{32}$/)
  expect(claims).toEqual({
    iss: 'mosaic-fed',
    aud: 'https://ca.example:9000/1.0/sign',
    sub: 'gateway-a.example',
    sans: ['gateway-a.example'],
    iat: seconds,
    nbf: seconds,
    exp: seconds + 60,
    sha: 'ab'.repeat(32),
    cnf: { 'x5rt#S256': 'hash-of-csr' },
    mosaic_grant_id: 'g',
    mosaic_subject_user_id: 's',
  })
})

test('a token to revoke names the serial number as a decimal, and is good for nothing else', async () => {
  const by = await signer('P-256')
  const { jti, ...claims } = await claimsOf(by, await revokingToken(by, 'ab0f', now))
  expect(claims).toEqual({
    ...{ iss: 'mosaic-fed', aud: 'https://ca.example:9000/1.0/revoke', sub: '43791', sha: 'ab'.repeat(32) },
    ...{ iat: seconds, nbf: seconds, exp: seconds + 60 },
  })
})

test('no two tokens are the same', async () => {
  const by = await signer('P-256')
  const tokens = await Promise.all(Array.from({ length: 20 }, () => signingToken(by, to, now)))
  const ids = await Promise.all(tokens.map(async (token) => (await claimsOf(by, token)).jti))
  expect(new Set(ids).size).toBe(20)
})
