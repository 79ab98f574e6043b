import { createHash, X509Certificate } from 'node:crypto'

/** A certificate with its key, as a caller presents it: `certPem` is the leaf, then what else is sent of the chain. */
export interface Identity {
  readonly certPem: string
  readonly keyPem: string
}

const pemCertificate = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g

/** The certificates of a PEM text, in the order in which they stand there. */
export function chainOf(pem: string): X509Certificate[] {
  return [...pem.matchAll(pemCertificate)].map(([block]) => new X509Certificate(block))
}

/**
 * `x5t#S256` of a certificate: base64url SHA-256 of its DER, 43 characters, no padding.
 * Of a PEM text with several certificates it is that of the first, the leaf.
 */
export function thumbprintS256(pemOrDer: string | Uint8Array): string {
  // RFC 8705 section 3.1: the hash covers the DER of the whole certificate, so PEM is decoded before hashing.
  const der = new X509Certificate(pemOrDer).raw
  return createHash('sha256').update(der).digest('base64url')
}

/** The key set by which somebody knows the holder of a certificate: its key, with the chain (RFC 7517 section 4.7, RFC 8705 section 2.2.2). */
export function certificateKeySet(pem: string) {
  const chain = chainOf(pem)
  const jwk = chain[0]!.publicKey.export({ format: 'jwk' })
  const thumbprint = { 'x5t#S256': thumbprintS256(chain[0]!.raw) }
  return { keys: [{ ...jwk, use: 'sig', ...thumbprint, x5c: chain.map(({ raw }) => raw.toString('base64')) }] }
}
