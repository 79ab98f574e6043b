import { type CryptoKey, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose'
import { importJWK } from 'jose/key/import'
import { describe, expect, test } from 'vitest'
import { type TokenContext, tokenGuards } from './bound-token.ts'
import { firstRefusal } from './guard.ts'
import { createIssuerKeys, type IssuerKeys } from './issuer-keys.ts'
import { type JwsGroup, type SignatureGroup, type SignatureVector, tally, wycheproof } from './testing/vectors.ts'
import { decodeToken } from './token-context.ts'
import { ALGORITHMS } from './token-form.ts'

const ISSUER = 'https://auth.somebiz.local.io:8443'

function issuerKeys(keys: readonly unknown[]): IssuerKeys {
  const body = JSON.stringify({ keys })
  const answer = { status: 200, headers: { 'content-type': 'application/json' }, body }
  return createIssuerKeys({ url: `${ISSUER}/jwks`, client: { get: async () => answer } })
}

function contextOf(token: string, keys: IssuerKeys): TokenContext {
  const introspection = { ask: async () => 'unavailable' as const, ready: async () => false }
  const policy = { node: 'node-a', issuer: ISSUER, mode: 'jwks' as const, clockSkewSeconds: 30, keys, introspection }
  const audiences = ['https://node-a.somebiz.local.io']
  return { token, thumbprint: 'A', audiences, scope: 'peer:connect', policy: { ...policy, now: Date.now } }
}

const keysOf = ({ public: open, private: secret }: JwsGroup): JWK[] => {
  const given = open ?? secret ?? {}
  return 'keys' in given ? (given.keys as JWK[]) : [given as JWK]
}

/** By all guards of a token, and by the signature step alone: the form refuses all of these before any signature is looked at. */
async function judge(group: JwsGroup) {
  const keys = issuerKeys(keysOf(group))
  return Promise.all(
    group.tests.map(async ({ tcId, result, jws }) => {
      const token = typeof jws === 'string' ? jws : JSON.stringify(jws)
      const context = contextOf(token, keys)
      const { refusal } = (await firstRefusal(tokenGuards('jwks', []), context)) ?? {}
      const { proven } = context
      const alg = String(decodeToken(token).header?.alg)
      return {
        tcId,
        result,
        alg,
        proven,
        status: refusal?.status,
        reason: String(refusal?.reason),
        signature: await keys.verify(token),
      }
    }),
  )
}

const judged = async (name: string) => (await Promise.all(wycheproof<JwsGroup>(name).map(judge))).flat()

describe.each([
  {
    name: 'json_web_signature',
    all: 401,
    reasons: { token_malformed: 401 },
    invalid: { jwks_unavailable: 23, kid_unknown: 30, signature_invalid: 302 },
    accepted: [18, 272, 273, 274, 275, 287, 288, 378],
  },
  {
    name: 'json_web_key',
    all: 26,
    reasons: { token_malformed: 26 },
    invalid: { jwks_unavailable: 12, kid_unknown: 1, signature_invalid: 8 },
    accepted: [],
  },
])('$name', ({ name, all, reasons, invalid, accepted }) => {
  test('no vector is an access token, and each is refused with a reason', async () => {
    const outcomes = await judged(name)
    expect(outcomes).toHaveLength(all)
    expect(outcomes.filter(({ status, proven }) => status !== 401 || proven)).toEqual([])
    expect(tally(outcomes.map(({ reason }) => reason))).toEqual(reasons)
  })

  test('the signature step alone refuses what is invalid', async () => {
    const wrong = (await judged(name)).filter(({ result }) => result === 'invalid')
    expect(wrong.filter(({ signature }) => signature === 'valid')).toEqual([])
    expect(tally(wrong.map(({ signature }) => signature))).toEqual(invalid)
  })

  test('the signature step accepts what is valid, where the algorithm is spoken here', async () => {
    const right = (await judged(name)).filter(({ result }) => result === 'valid')
    expect(right.filter(({ signature }) => signature === 'valid').map(({ tcId }) => tcId)).toEqual(accepted)
    expect(right.filter(({ alg }) => ALGORITHMS.includes(alg)).map(({ tcId }) => tcId)).toEqual(accepted)
  })
})

test('no key set of the vectors takes a good key out that stands beside its own', async () => {
  const { privateKey, publicKey } = await generateKeyPair('ES256')
  const ours = { ...(await exportJWK(publicKey)), kid: 'ours', use: 'sig', alg: 'ES256' }
  const token = await new SignJWT({}).setProtectedHeader({ alg: 'ES256', kid: 'ours' }).sign(privateKey)
  const outcomes = wycheproof<JwsGroup>('json_web_key').map((group) =>
    issuerKeys([...keysOf(group), ours]).verify(token),
  )
  expect(tally(await Promise.all(outcomes))).toEqual({ valid: 25 })
})

/** What jose asks of the platform for each algorithm. */
const PLATFORM = {
  ES256: { name: 'ECDSA', hash: 'SHA-256' },
  ES384: { name: 'ECDSA', hash: 'SHA-384' },
  EdDSA: { name: 'Ed25519' },
  PS256: { name: 'RSA-PSS', saltLength: 32 },
} as const

describe.each([
  { name: 'ecdsa_secp256r1_sha256_p1363', alg: 'ES256' as const, valid: 169, invalid: 83 },
  { name: 'ecdsa_secp384r1_sha384_p1363', alg: 'ES384' as const, valid: 189, invalid: 81 },
  { name: 'ed25519', alg: 'EdDSA' as const, valid: 88, invalid: 62 },
  { name: 'rsa_pss_2048_sha256_mgf1_32', alg: 'PS256' as const, valid: 63, invalid: 45 },
])('$name', ({ name, alg, valid, invalid }) => {
  const groups = wycheproof<SignatureGroup>(name)
  const keyOf = ({ publicKeyJwk }: SignatureGroup) => ({ ...publicKeyJwk, kid: 'theirs', use: 'sig', alg }) as JWK

  // The vectors sign messages that no token can be, so the verifier itself cannot be given them as they are.
  test('key import and platform, on which the verifier stands, agree with every vector', async () => {
    const outcomes: string[] = []
    for (const group of groups) {
      const key = (await importJWK(keyOf(group), alg)) as CryptoKey
      for (const { tcId, result, msg, sig } of group.tests) {
        const isGood = await crypto.subtle.verify(PLATFORM[alg], key, bytes(sig), bytes(msg))
        outcomes.push(isGood === (result === 'valid') ? result : `wrong about ${tcId}`)
      }
    }
    expect(tally(outcomes)).toEqual({ invalid, valid })
  })

  test('no signature of the vectors makes a token of their key', async () => {
    const header = Buffer.from(JSON.stringify({ alg, typ: 'at+jwt', kid: 'theirs' })).toString('base64url')
    const payload = Buffer.from(JSON.stringify({ iss: ISSUER })).toString('base64url')
    const outcomes = groups.flatMap((group) => {
      const keys = issuerKeys([keyOf(group)])
      return group.tests.map(async ({ sig }: SignatureVector) => {
        const token = `${header}.${payload}.${Buffer.from(sig, 'hex').toString('base64url')}`
        const refused = await firstRefusal(tokenGuards('jwks', []), contextOf(token, keys))
        return `${refused?.guard} ${refused?.refusal.reason}`
      })
    })
    expect(tally(await Promise.all(outcomes))).toEqual({ 'token.signature signature_invalid': valid + invalid })
  })
})

function bytes(hexadecimal: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(Buffer.from(hexadecimal, 'hex'))
}
