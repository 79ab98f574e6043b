import { createHash, X509Certificate } from 'node:crypto'
import { chainOf, thumbprintS256 } from '../pki/certificate.ts'
import type { ClaimsMutation } from './forge.ts'
import type { Claims } from './inspect.ts'

/** A way to write a binding that is not RFC 8705's, given the certificate that will be presented (PEM, leaf first). */
export type Misbinding = (presentedPem: string) => ClaimsMutation

/** All of them, by name. */
export const misbindings: Readonly<Record<string, Misbinding>> = {
  withoutCnf: () => (claims) => without(claims, 'cnf'),
  cnfHexThumbprint: (pem) => bound(hash(derOf(pem)).toString('hex')),
  /** The form that `fingerprint256` of Node and `openssl x509 -fingerprint` have: upper-case hex with colons. */
  cnfColons: (pem) => bound(new X509Certificate(pem).fingerprint256),
  cnfPadded: (pem) => bound(`${thumbprintS256(pem)}=`),
  /** Without padding; where the digest has no `+` or `/` to tell it apart, padding stays. */
  cnfStandardBase64: (pem) => {
    const text = hash(derOf(pem)).toString('base64')
    return bound(/[+/]/.test(text) ? text.replaceAll('=', '') : text)
  },
  /** All characters but the last in upper case: well-formed, and base64url tells case apart. */
  cnfUpperCased: (pem) => {
    const text = thumbprintS256(pem)
    return bound(text.slice(0, -1).toUpperCase() + text.slice(-1))
  },
  /** Under its own name, `x5t` (RFC 7515 section 4.1.7). */
  cnfSha1: (pem) => (claims) => ({ ...claims, cnf: { x5t: hash(derOf(pem), 'sha1').toString('base64url') } }),
  /** The right one, where the SHA-1 of the certificate belongs. */
  cnfOtherMember: (pem) => (claims) => ({ ...claims, cnf: { x5t: thumbprintS256(pem) } }),
  cnfArray: (pem) => bound([thumbprintS256(pem)]),
  cnfNull: () => (claims) => ({ ...claims, cnf: null }),
  cnfInList: (pem) => (claims) => ({ ...claims, cnf: [right(pem)] }),
  /** 32 bytes do not end with this: it stands for bits that are there no more. */
  cnfLongerByBits: (pem) => bound(`${thumbprintS256(pem).slice(0, -1)}a`),
  cnfString: (pem) => (claims) => ({ ...claims, cnf: thumbprintS256(pem) }),
  /** Misspelled. */
  cfn: (pem) => (claims) => ({ ...without(claims, 'cnf'), cfn: right(pem) }),
  extCnf: (pem) => (claims) => ({ ...without(claims, 'cnf'), ext: { cnf: right(pem) } }),
  /** The same for a renewed certificate, which RFC 8705 section 3.1 does not want. */
  cnfOfSpki: (pem) => {
    const spki = new X509Certificate(pem).publicKey.export({ type: 'spki', format: 'der' })
    return bound(hash(spki).toString('base64url'))
  },
  cnfOfPem: (pem) => bound(hash(new X509Certificate(pem).toString()).toString('base64url')),
  /** Of all certificates that are sent; of a lone leaf it is doubled, so that it stays wrong. */
  cnfOfChain: (pem) => {
    const chain = chainOf(pem).map((certificate) => certificate.raw)
    const all = chain.length > 1 ? chain : [...chain, ...chain]
    return bound(hash(Buffer.concat(all)).toString('base64url'))
  },
}

function right(pem: string): Record<string, string> {
  return { 'x5t#S256': thumbprintS256(pem) }
}

function bound(value: unknown): ClaimsMutation {
  return (claims) => ({ ...claims, cnf: { 'x5t#S256': value } })
}

function derOf(pem: string): Buffer {
  return new X509Certificate(pem).raw
}

function hash(of: string | Buffer, algorithm = 'sha256'): Buffer {
  return createHash(algorithm).update(of).digest()
}

function without(claims: Claims, name: string): Claims {
  const { [name]: _, ...rest } = claims
  return rest
}
