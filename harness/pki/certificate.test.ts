import { Buffer } from 'node:buffer'
import { expect, test } from 'vitest'
import { certificateKeySet, chainOf, thumbprintS256 } from './certificate.ts'

// RFC 8705, appendix A.
const base64 =
  'MIIBBjCBrAIBAjAKBggqhkjOPQQDAjAPMQ0wCwYDVQQDDARtdGxzMB4XDTE4MTAxODEyMzcwOVoXDTIyMDUwMjEyMzcwOVowDzENMAsGA1UEAwwE' +
  'bXRsczBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABNcnyxwqV6hY8QnhxxzFQ03C7HKW9OylMbnQZjjJ/Au08/coZwxS7LfA4vOLS9WuneIXhbGG' +
  'WvsDSb0tH6IxLm8wCgYIKoZIzj0EAwIDSQAwRgIhAP0RC1E+vwJD/D1AGHGzuri+hlV/PpQEKTWUVeORWz83AiEA5x2eXZOVbUlJSGQgjwD5vaUa' +
  'KlLR50Q2DmFfQj1L+SY='
const thumbprint = 'A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0'
const pem = `-----BEGIN CERTIFICATE-----\n${base64.match(/.{1,64}/g)!.join('\n')}\n-----END CERTIFICATE-----\n`

test('the thumbprint of the certificate of RFC 8705 appendix A is the published one, from PEM and from DER', () => {
  expect(thumbprintS256(pem)).toBe(thumbprint)
  expect(thumbprintS256(Buffer.from(base64, 'base64'))).toBe(thumbprint)
})

test('of a chain the thumbprint is that of the leaf', () => {
  expect(chainOf(pem + pem)).toHaveLength(2)
  expect(thumbprintS256(pem + pem)).toBe(thumbprint)
})

test('the key set of that certificate is the published one, with the chain', () => {
  const key = {
    kty: 'EC',
    crv: 'P-256',
    x: '1yfLHCpXqFjxCeHHHMVDTcLscpb07KUxudBmOMn8C7Q',
    y: '8_coZwxS7LfA4vOLS9WuneIXhbGGWvsDSb0tH6IxLm8',
    'x5t#S256': thumbprint,
  }
  expect(certificateKeySet(pem)).toEqual({ keys: [{ ...key, use: 'sig', x5c: [base64] }] })
})
