import { createHmac, createPublicKey, type KeyObject } from 'node:crypto'
import { calculateJwkThumbprint, type JWK } from 'jose'
import type { Credential } from '../../site/credential.ts'
import { cases, steps, type Variant } from '../attack.ts'
import { anewClaims, type Forgery, forged, forgedToken, forging, newKey } from '../forgery.ts'
import type { Lab } from '../lab.ts'
import { A1, accepted, refused } from '../outcome.ts'
import { acceptedOnce, standIn } from '../stand-in.ts'

/** What a verifier makes of the key set of its issuer. All of them are tried with a set that the attack writes, but for what needs none. */
export const keySets = cases(['jwks-client'], {
  'GEN-02': {
    title: 'a public key is no secret to sign with',
    follows: 'bound-token/signature',
    source: 'RFC 8725 sections 2.1 and 3.1; CVE-2015-9235',
    stage: 'scripted-issuer',
    variants: {
      'HS256 with SPKI': confused('HS256', (key) => pem(key, 'spki')),
      'HS256 with SPKI, no final newline': confused('HS256', (key) => pem(key, 'spki').trimEnd()),
      'HS256 with PKCS#1': confused('HS256', (key) => pem(key, 'pkcs1')),
      'HS256 with PKCS#1, no final newline': confused('HS256', (key) => pem(key, 'pkcs1').trimEnd()),
      'HS256 with the DER of SPKI': confused('HS256', der),
      'HS256 with the modulus': confused('HS256', (key) =>
        Buffer.from(String(key.export({ format: 'jwk' }).n), 'base64url'),
      ),
      'HS256 with the JWK': confused('HS256', jwkText),
      'HS512 with SPKI': confused('HS512', (key) => pem(key, 'spki')),
      'hs256 in lower case': confused('hs256', (key) => pem(key, 'spki')),
      'HS256 with the key that it knows, as SPKI': known('HS256', (key) => pem(key, 'spki')),
      'HS256 with the key that it knows, as SPKI, no final newline': known('HS256', (key) =>
        pem(key, 'spki').trimEnd(),
      ),
      'HS256 with the key that it knows, as the DER of SPKI': known('HS256', der),
      'HS256 with the key that it knows, as the JWK': known('HS256', jwkText),
    },
  },
  'GEN-03': {
    title: 'a public key is no secret either where blanks stand before it in its file',
    follows: 'bound-token/signature',
    source: 'CVE-2023-48223; CVE-2026-34950',
    notHere: 'nobody reads a key to verify with from a PEM file: all of them come from the issuer’s key set',
  },
  'GEN-10': {
    title: 'of two keys with one id neither is believed',
    follows: 'bound-token/signature',
    source: 'RFC 7517 section 4.5',
    stage: 'scripted-issuer',
    variants: {
      'a token of the key that was there first': oneKidTwice(0),
      'a token of the other one': oneKidTwice(1),
    },
  },
  'GEN-11': {
    title: 'a key verifies only what it is published for',
    follows: 'bound-token/signature',
    source: 'RFC 7517 sections 4.2 to 4.4; RFC 8725 section 3.1',
    stage: 'scripted-issuer',
    variants: {
      'use enc': misused('kid_unknown', { use: 'enc' }),
      'key_ops encrypt': misused('kid_unknown', { use: undefined, key_ops: ['encrypt', 'wrapKey'] }),
      'alg of the key is another': misused('signature_invalid', { alg: 'ES384' }),
      'the key is private': misused('kid_unknown', { d: 'AAAA' }),
    },
  },
})

const rsaKid = 'rsa-of-the-issuer'
let rsaKey: Promise<JWK> | undefined

/** Publishes the issuer's own keys, an RSA key and further ones, until the target has learned of them; answers the RSA key. */
async function publishing(lab: Lab, further: readonly JWK[] = []): Promise<JWK> {
  const issuer = await standIn(lab)
  rsaKey ??= newKey('PS256')
  const rsa = { ...(await rsaKey), kid: rsaKid }
  const own = publicPart(await withKid(await lab.signingKey()))
  const keys = [own, publicPart(rsa), ...further]
  issuer.script('keys', { headers: { 'cache-control': 'max-age=1' }, body: { keys } })
  const isAsked = () => issuer.requests.some(({ endpoint }) => endpoint === 'keys') || further.length === 0
  await acceptedOnce(lab, 'the target knows the key set', { credential: byRsa(lab, rsa), hasCome: isAsked })
  return rsa
}

/** A good token, signed by the RSA key: that it is accepted proves that the target has this very set. */
function byRsa(lab: Lab, key: JWK): Credential {
  return forged(lab, 'signed by the RSA key', { header: { alg: 'PS256', kid: rsaKid }, key, claims: anewClaims })
}

type SecretOf = (publicKey: KeyObject) => string | Buffer

function confused(alg: string, secret: SecretOf): Variant {
  return steps(A1('alg_not_allowed'), async (lab) => {
    const rsa = await publishing(lab)
    const made = (token: string) => forgedToken(token, undefined, keyedBy(alg, secret, rsa))
    return lab.call(byRsa(lab, rsa).withToken(made, `with ${alg}`))
  })
}

/** With the key of its issuer that everybody has already, so that nothing is published for it. */
function known(alg: string, secret: SecretOf): Variant {
  const variant = forging(A1('alg_not_allowed'), async (lab) => keyedBy(alg, secret, await lab.signingKey()))
  return { ...variant, needs: ['takes:bound-token'] }
}

/** A public key, in some form of its text, in the place of a secret. */
function keyedBy(alg: string, secret: SecretOf, jwk: JWK): Forgery {
  const key = createPublicKey({ key: publicPart(jwk) as Record<string, unknown>, format: 'jwk' })
  const digest = alg.toLowerCase().replace('hs', 'sha')
  return { header: { alg }, signature: (input) => createHmac(digest, secret(key)).update(input).digest() }
}

function oneKidTwice(which: 0 | 1): Variant {
  return steps(refused(503, 'temporarily_unavailable', 'jwks_unavailable'), async (lab) => {
    const issuer = await standIn(lab)
    const own = await withKid(await lab.signingKey())
    const other = { ...(await newKey()), kid: own.kid }
    const token = forged(lab, 'anew', { claims: anewClaims, ...(which === 1 ? { key: other } : {}) })
    const control = which === 1 ? lab.good() : token
    await acceptedOnce(lab, 'the target has an honest key set', { credential: control })
    lab.judge(await lab.call(control), accepted())
    issuer.script('keys', { headers: { 'cache-control': 'max-age=1' }, body: { keys: [own, other].map(publicPart) } })
    const isOut = async () => (await lab.call(token)).reason === 'jwks_unavailable'
    await lab.site.until('the target gives up its old key set', isOut, { withinMs: 5_000, everyMs: 50 })
    return lab.call(token)
  })
}

function misused(reason: string, published: JWK): Variant {
  return steps(A1(reason), async (lab) => {
    const key = { ...(await newKey()), kid: 'misused' }
    const rsa = await publishing(lab, [{ ...publicPart(key), ...published } as JWK])
    const token = (own: string) => forgedToken(own, key, { header: { alg: 'ES256', kid: key.kid } })
    return lab.call(byRsa(lab, rsa).withToken(token, 'signed by the misused key'))
  })
}

/** Under its RFC 7638 thumbprint, as the auth server publishes it. */
async function withKid(key: JWK): Promise<JWK> {
  return { ...key, kid: key.kid ?? (await calculateJwkThumbprint(key)) }
}

function publicPart({ kty, crv, x, y, n, e, alg, kid }: JWK): JWK {
  return JSON.parse(JSON.stringify({ kty, crv, x, y, n, e, alg, kid, use: 'sig' })) as JWK
}

function der(key: KeyObject): Buffer {
  return key.export({ type: 'spki', format: 'der' })
}

function jwkText(key: KeyObject): string {
  return JSON.stringify(key.export({ format: 'jwk' }))
}

function pem(key: KeyObject, type: 'spki' | 'pkcs1'): string {
  return String(key.export({ type, format: 'pem' } as never))
}
