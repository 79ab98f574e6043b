import { X509Certificate } from 'node:crypto'
import { calculateJwkThumbprint, compactVerify, importJWK, type JWK } from 'jose'
import { describe, expect, test } from 'vitest'
import { createIssuerKeys } from './issuer-keys.ts'
import { thumbprint } from './peer-certificate.ts'

// Examples that the standards print. Each stands here as its text does, so that a reader can compare.

const CLAIMS = 'eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ'

/** RFC 7515 appendix A.3, and its key. */
const ES256 = {
  jwk: {
    kty: 'EC',
    crv: 'P-256',
    x: 'f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU',
    y: 'x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0',
  },
  token: `eyJhbGciOiJFUzI1NiJ9.${CLAIMS}.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q`,
}

/** RFC 8037 appendix A.2 and A.4. */
const ED25519 = {
  jwk: { kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' },
  token:
    'eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg',
}

function issuerKeys(keys: readonly unknown[]) {
  const answer = { status: 200, headers: { 'content-type': 'application/json' }, body: JSON.stringify({ keys }) }
  return createIssuerKeys({ url: 'https://auth.test/jwks', client: { get: async () => answer } })
}

describe.each([
  ['RFC 7515 appendix A.3', ES256, 'ES256'],
  ['RFC 8037 appendix A.4', ED25519, 'EdDSA'],
] as const)('%s', (_, { jwk, token }, alg) => {
  test('verifies by the calls that the verifier makes', async () => {
    await expect(compactVerify(token, await importJWK(jwk, alg), { algorithms: [alg] })).resolves.toBeDefined()
  })

  test('is no token here, for it names no key: not even of a key that is named after nothing', async () => {
    for (const kid of ['undefined', 'null', 'good']) {
      expect(await issuerKeys([{ ...jwk, kid, use: 'sig' }]).verify(token)).toBe('kid_unknown')
    }
  })
})

test.each([
  ['A.1, HS256', 'eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9', 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk'],
  ['A.5, alg none', 'eyJhbGciOiJub25lIn0', ''],
])('RFC 7515 appendix %s is refused', async (_, header, signature) => {
  expect(await issuerKeys([{ ...ES256.jwk, kid: 'one' }]).verify(`${header}.${CLAIMS}.${signature}`)).not.toBe('valid')
})

test('RFC 8705 appendix A: the thumbprint of the certificate', () => {
  const der =
    'MIIBBjCBrAIBAjAKBggqhkjOPQQDAjAPMQ0wCwYDVQQDDARtdGxzMB4XDTE4MTAxODEyMzcwOVoXDTIyMDUwMjEyMzcwOVowDzENMAsGA1UEAwwEbXRsczBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABNcnyxwqV6hY8QnhxxzFQ03C7HKW9OylMbnQZjjJ/Au08/coZwxS7LfA4vOLS9WuneIXhbGGWvsDSb0tH6IxLm8wCgYIKoZIzj0EAwIDSQAwRgIhAP0RC1E+vwJD/D1AGHGzuri+hlV/PpQEKTWUVeORWz83AiEA5x2eXZOVbUlJSGQgjwD5vaUaKlLR50Q2DmFfQj1L+SY='
  const certificate = new X509Certificate(Buffer.from(der, 'base64'))
  expect(thumbprint(certificate)).toBe('A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0')
})

test.each<[string, JWK, string]>([
  [
    'RFC 7638 section 3.1',
    {
      kty: 'RSA',
      n: '0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw',
      e: 'AQAB',
      alg: 'RS256',
      kid: '2011-04-29',
    },
    'NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs',
  ],
  ['RFC 8037 appendix A.3', ED25519.jwk, 'kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k'],
])('%s: the thumbprint of a key is what names our keys', async (_, jwk, expected) => {
  expect(await calculateJwkThumbprint(jwk)).toBe(expected)
})
