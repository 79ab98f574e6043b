import { createHash, X509Certificate } from 'node:crypto'
import { chainOf } from '../pki/certificate.ts'
import type { ClaimsMutation } from './forge.ts'
import type { Claims } from './inspect.ts'

/** A way to write a binding that is not RFC 8705's, given the certificate that will be presented (PEM, leaf first). */
export type Misbinding = (presentedPem: string) => ClaimsMutation

/** No binding at all. */
export const withoutCnf: Misbinding = () => (claims) => without(claims, 'cnf')

/** The thumbprint in lower-case hex. */
export const cnfHexThumbprint: Misbinding = (pem) => bound(digest(pem).toString('hex'))

/** The form that `fingerprint256` of Node and `openssl x509 -fingerprint` have: upper-case hex with colons. */
export const cnfColons: Misbinding = (pem) => bound(new X509Certificate(pem).fingerprint256)

/** base64url with padding. */
export const cnfPadded: Misbinding = (pem) => bound(`${digest(pem).toString('base64url')}=`)

/** Standard base64 without padding; where the digest has no `+` or `/` to tell it apart, padding stays. */
export const cnfStandardBase64: Misbinding = (pem) => {
  const text = digest(pem).toString('base64')
  return bound(/[+/]/.test(text) ? text.replaceAll('=', '') : text)
}

/** All characters but the last in upper case: well-formed, and base64url tells case apart. */
export const cnfUpperCased: Misbinding = (pem) => {
  const text = digest(pem).toString('base64url')
  return bound(text.slice(0, -1).toUpperCase() + text.slice(-1))
}

/** The SHA-1 thumbprint under its own name, `x5t` (RFC 7515 section 4.1.7). */
export const cnfSha1: Misbinding = (pem) => (claims) => ({
  ...claims,
  cnf: { x5t: digest(pem, 'sha1').toString('base64url') },
})

/** The right thumbprint inside an array. */
export const cnfArray: Misbinding = (pem) => bound([digest(pem).toString('base64url')])

/** `cnf` is the thumbprint itself instead of an object. */
export const cnfString: Misbinding = (pem) => (claims) => ({ ...claims, cnf: digest(pem).toString('base64url') })

/** The right value under a misspelled claim. */
export const cfn: Misbinding = (pem) => (claims) => ({ ...without(claims, 'cnf'), cfn: right(pem) })

/** The right value one level too deep. */
export const extCnf: Misbinding = (pem) => (claims) => ({ ...without(claims, 'cnf'), ext: { cnf: right(pem) } })

/** The hash of the public key: the same for a renewed certificate, which RFC 8705 section 3.1 does not want. */
export const cnfOfSpki: Misbinding = (pem) => {
  const spki = new X509Certificate(pem).publicKey.export({ type: 'spki', format: 'der' })
  return bound(createHash('sha256').update(spki).digest('base64url'))
}

/** The hash of the PEM text instead of the DER. */
export const cnfOfPem: Misbinding = (pem) => bound(createHash('sha256').update(leafPem(pem)).digest('base64url'))

/** The hash of all certificates that are sent; of a lone leaf it is doubled, so that it stays wrong. */
export const cnfOfChain: Misbinding = (pem) => {
  const chain = chainOf(pem).map((certificate) => certificate.raw)
  const all = chain.length > 1 ? chain : [...chain, ...chain]
  return bound(createHash('sha256').update(Buffer.concat(all)).digest('base64url'))
}

/** All of them, by name. */
export const misbindings: Readonly<Record<string, Misbinding>> = {
  withoutCnf,
  cnfHexThumbprint,
  cnfColons,
  cnfPadded,
  cnfStandardBase64,
  cnfUpperCased,
  cnfSha1,
  cnfArray,
  cnfString,
  cfn,
  extCnf,
  cnfOfSpki,
  cnfOfPem,
  cnfOfChain,
}

function bound(value: unknown): ClaimsMutation {
  return (claims) => ({ ...claims, cnf: { 'x5t#S256': value } })
}

function right(pem: string): Record<string, string> {
  return { 'x5t#S256': digest(pem).toString('base64url') }
}

function digest(pem: string, algorithm = 'sha256'): Buffer {
  return createHash(algorithm).update(new X509Certificate(pem).raw).digest()
}

function leafPem(pem: string): string {
  return new X509Certificate(pem).toString()
}

function without(claims: Claims, name: string): Claims {
  const { [name]: _, ...rest } = claims
  return rest
}
