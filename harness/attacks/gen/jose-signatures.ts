import type { JWK } from 'jose'
import { signatureOver } from '../../tokens/forge.ts'
import { cases, presenting, type Variant } from '../attack.ts'
import { type Forgery, forging, newKey } from '../forgery.ts'
import { A1, type Outcome } from '../outcome.ts'

/** Order of the group of P-256 (SEC 2, section 2.4.2): r and s of a signature are below it. */
const order = Buffer.from('ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551', 'hex')
const zero = Buffer.alloc(32)
const one = Buffer.concat([Buffer.alloc(31), Buffer.from([1])])
const all = Buffer.alloc(32, 0xff)

/** Signatures that no verifier of tokens may take for one. */
export const signatures = cases(['takes:bound-token'], {
  'GEN-01': {
    title: 'an unsigned token is refused',
    follows: 'bound-token/signature',
    source: 'RFC 8725 section 3.1; RFC 9068 section 4',
    variants: {
      ...Object.fromEntries(['none', 'None', 'NONE', 'nOnE'].map((alg) => [`alg ${alg}`, unsigned(alg)])),
      'alg none with the old signature': forging(A1('alg_not_allowed'), async (lab) => {
        const [, , signature = ''] = (await lab.good().token()).split('.')
        return { header: { alg: 'none' }, signature: () => signature }
      }),
      'alg absent': unsigned(undefined),
      'signature cut off': reworked(A1('signature_invalid'), ([header, payload]) => [header, payload, '']),
      'two parts only': reworked(A1('token_malformed'), ([header, payload]) => [header, payload]),
    },
  },
  'GEN-04': {
    title: 'a signature that is no point of the curve is refused',
    follows: 'bound-token/signature',
    source: 'CVE-2022-21449; RFC 7518 section 3.4',
    variants: {
      '64 zero bytes': signedBy(() => Buffer.concat([zero, zero])),
      'r = 0': signedBy((good) => Buffer.concat([zero, good.subarray(32)])),
      's = 0': signedBy((good) => Buffer.concat([good.subarray(0, 32), zero])),
      'r = s = 1': signedBy(() => Buffer.concat([one, one])),
      'r = n': signedBy((good) => Buffer.concat([order, good.subarray(32)])),
      's = n': signedBy((good) => Buffer.concat([good.subarray(0, 32), order])),
      'r and s above n': signedBy(() => Buffer.concat([all, all])),
      'DER instead of r and s': forging(A1('signature_invalid'), async (lab) => {
        const key = await lab.signingKey()
        return { signature: (input) => signatureOver(input, key, 'der') }
      }),
      '63 bytes': signedBy((good) => good.subarray(0, 63)),
      '65 bytes': signedBy((good) => Buffer.concat([good, Buffer.from([0])])),
      'a byte before it': signedBy((good) => Buffer.concat([Buffer.from([0]), good])),
      'the signature of another token': reworked(A1('signature_invalid'), ([header, payload = '', signature]) => {
        const other = Buffer.from(payload, 'base64url').toString().replace('"sub":"', '"sub":"x')
        return [header, Buffer.from(other).toString('base64url'), signature]
      }),
    },
  },
  'GEN-05': {
    title: 'a key that the token brings along is not believed',
    follows: 'bound-token/signature',
    source: 'CVE-2018-0114; RFC 8725 section 3.10',
    variants: {
      'jwk beside the real kid': ownKey((key) => ({ jwk: key })),
      'jwk without a kid': ownKey((key) => ({ jwk: key, kid: undefined })),
      'the real kid alone': { ...ownKey(() => ({})), expect: A1('signature_invalid') },
      'alg of another family beside jwk': ownKey((key) => ({ jwk: key, alg: 'ES256', kid: 'own' })),
    },
  },
  'GEN-23': {
    title: 'a secret to sign with is a good one',
    source: 'RFC 8725 section 3.5; RFC 7518 section 3.2',
    needs: ['start'],
    notHere: 'nobody signs or verifies with a shared secret: no HMAC algorithm is in any list',
  },
})

function unsigned(alg: string | undefined): Variant {
  return forging(A1('alg_not_allowed'), { header: { alg }, signature: () => '' })
}

function signedBy(mutate: (good: Buffer) => Buffer): Variant {
  return forging(A1('signature_invalid'), async (lab) => {
    const key = await lab.signingKey()
    return { signature: (input) => mutate(signatureOver(input, key)) }
  })
}

/** Signed with a key of the attacker's own, which the header shows. */
function ownKey(header: (publicKey: JWK) => Forgery['header']): Variant {
  return forging(A1('token_malformed'), async () => {
    const key = await newKey()
    const { d: _, alg: __, ...publicKey } = key
    return { key, header: header(publicKey) }
  })
}

/** The good token with its parts put together anew, nothing signed. */
function reworked(expect: Outcome, parts: (parts: readonly string[]) => readonly (string | undefined)[]): Variant {
  const anew = (token: string) => parts(token.split('.')).join('.')
  return presenting(expect, (good) => good.withToken(anew, 'put together anew'))
}
