import { constants, createPrivateKey, type SignKeyObjectInput, sign } from 'node:crypto'
import type { JWK } from 'jose'
import { HoldfastError } from '../errors.ts'

/** There is no way to sign like that. Code `HOLDFAST_ALG_UNKNOWN`. */
export class AlgUnknown extends HoldfastError {
  constructor(alg: string) {
    super('HOLDFAST_ALG_UNKNOWN', `nothing here signs with ${alg}; choose one of ${Object.keys(signatures).join(', ')}`)
  }
}

type Parameters = Omit<SignKeyObjectInput, 'key'>

/** How node:crypto makes the signature of a JWS (RFC 7518 section 3.1, RFC 8037): digest and form. */
const signatures: Readonly<Record<string, { digest: string | null; parameters: Parameters }>> = {
  ES256: { digest: 'sha256', parameters: { dsaEncoding: 'ieee-p1363' } },
  ES384: { digest: 'sha384', parameters: { dsaEncoding: 'ieee-p1363' } },
  PS256: { digest: 'sha256', parameters: { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 } },
  EdDSA: { digest: null, parameters: {} },
}

/** The signature that a private key makes over a text; `der` writes one of ECDSA as ASN.1. @throws AlgUnknown */
export function signatureOver(text: string, jwk: JWK, form?: 'der'): Buffer {
  const alg = jwk.alg ?? 'ES256'
  const signature = signatures[alg]
  if (signature === undefined) throw new AlgUnknown(alg)
  const key = createPrivateKey({ key: jwk as Record<string, unknown>, format: 'jwk' })
  const encoding = form && { dsaEncoding: form }
  return sign(signature.digest, Buffer.from(text), { key, ...signature.parameters, ...encoding })
}

/** The parts of a compact token as texts: any text, also such that no library would write. */
export interface RawToken {
  header: string
  payload: string
}

/** What is signed of them: both parts in base64url. */
export function signingInput({ header, payload }: RawToken): string {
  return `${Buffer.from(header).toString('base64url')}.${Buffer.from(payload).toString('base64url')}`
}

/** Header and payload of a compact token as they stand in it; undefined for a text that has no two parts. */
export function rawPartsOf(token: string): RawToken | undefined {
  const [header, payload] = token.split('.')
  if (header === undefined || payload === undefined) return undefined
  return { header: Buffer.from(header, 'base64url').toString(), payload: Buffer.from(payload, 'base64url').toString() }
}
