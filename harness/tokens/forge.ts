import { constants, createPrivateKey, randomUUID, type SignKeyObjectInput, sign } from 'node:crypto'
import { CompactSign, importJWK, type JWK } from 'jose'
import { HoldfastError } from '../errors.ts'
import { type Claims, inspectToken } from './inspect.ts'

/** A compact JWT could not be read, so that nothing can be made out of it. */
export class TokenNotReadable extends HoldfastError {
  constructor(what: string) {
    super('HOLDFAST_TOKEN_NOT_READABLE', `${what}: the text is no compact JWT; start from a token that was minted`)
  }
}

/** A change of claims in one named way. It may look at what the token was bound to. */
export type ClaimsMutation = (claims: Claims) => Claims

/** Signs claims exactly as they are, with a private JWK; nothing is added, defaulted or checked. */
export async function signToken(token: { key: JWK; header: Record<string, unknown>; claims: Claims }): Promise<string> {
  const alg = String(token.header.alg ?? token.key.alg ?? 'ES256')
  const key = await importJWK(token.key, alg)
  const payload = new TextEncoder().encode(JSON.stringify(token.claims))
  return new CompactSign(payload).setProtectedHeader({ ...token.header, alg }).sign(key)
}

/**
 * The token once more, with changed claims and validly signed by `key`, under a `jti` of its own.
 * The header stays as it was, unless `header` says otherwise.
 */
export async function mutateClaims(
  token: string,
  key: JWK,
  mutation: ClaimsMutation,
  header: Record<string, unknown> = {},
): Promise<string> {
  const inspected = inspectToken(token)
  if (inspected === undefined) throw new TokenNotReadable('mutateClaims')
  const claims = mutation({ ...inspected.claims, jti: randomUUID() })
  return signToken({ key, header: { ...inspected.header, ...header }, claims })
}

/** The token with one bit of its signature turned: same length, same form, wrong. */
export function tamperSignature(token: string): string {
  const parts = token.split('.')
  const [header, payload, signature] = parts
  if (parts.length !== 3 || !signature) throw new TokenNotReadable('tamperSignature')
  const bytes = Buffer.from(signature, 'base64url')
  // A bit in the middle: the last character of base64url has bits that decoders ignore.
  bytes[bytes.length >> 1]! ^= 1
  return `${header}.${payload}.${bytes.toString('base64url')}`
}

/** A token that is no JWT, with another character in its middle. */
export function tamperText(token: string): string {
  const middle = token.length >> 1
  return `${token.slice(0, middle)}${token[middle] === 'A' ? 'B' : 'A'}${token.slice(middle + 1)}`
}

type Parameters = Omit<SignKeyObjectInput, 'key'>

/** How node:crypto makes the signature of a JWS (RFC 7518 section 3.1, RFC 8037): digest and form. */
const signatures: Readonly<Record<string, { digest: string | null; parameters: Parameters }>> = {
  ES256: { digest: 'sha256', parameters: { dsaEncoding: 'ieee-p1363' } },
  ES384: { digest: 'sha384', parameters: { dsaEncoding: 'ieee-p1363' } },
  RS256: { digest: 'sha256', parameters: {} },
  PS256: { digest: 'sha256', parameters: { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 } },
  EdDSA: { digest: null, parameters: {} },
}

/** The signature that a private key makes over a text; `der` writes one of ECDSA as ASN.1. */
export function signatureOver(text: string, jwk: JWK, form?: 'der'): Buffer {
  const alg = jwk.alg ?? 'ES256'
  const signature = signatures[alg]
  if (signature === undefined) {
    const known = Object.keys(signatures).join(', ')
    throw new HoldfastError('HOLDFAST_ALG_UNKNOWN', `nothing here signs with ${alg}; choose one of ${known}`)
  }
  const key = createPrivateKey({ key: jwk as Record<string, unknown>, format: 'jwk' })
  const encoding = form && { dsaEncoding: form }
  return sign(signature.digest, Buffer.from(text), { key, ...signature.parameters, ...encoding })
}
