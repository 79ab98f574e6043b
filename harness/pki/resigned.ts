// The x509 package does not load without this polyfill, so it comes first.
import 'reflect-metadata'
import { createPrivateKey, KeyObject, sign, type webcrypto } from 'node:crypto'
import { AsnConvert } from '@peculiar/asn1-schema'
import { AlgorithmIdentifier, Certificate } from '@peculiar/asn1-x509'
import { PemConverter } from '@peculiar/x509'

/** Signatures that no CA of today makes: RFC 3279 section 2.2. */
const algorithms = {
  'ECDSA-SHA1': { oid: '1.2.840.10045.4.1', digest: 'SHA1', parameters: undefined },
  'RSA-SHA1': { oid: '1.2.840.113549.1.1.5', digest: 'RSA-SHA1', parameters: new Uint8Array([5, 0]).buffer },
  // RSA's have a NULL where others have nothing.
  'RSA-MD5': { oid: '1.2.840.113549.1.1.4', digest: 'RSA-MD5', parameters: new Uint8Array([5, 0]).buffer },
} as const

export type OldSignature = keyof typeof algorithms

/** The same chain, its leaf signed anew by the same key in another way. */
export function resigned(chainPem: string, key: webcrypto.CryptoKey, how: OldSignature): string {
  const [leaf, ...others] = PemConverter.decode(chainPem)
  const { oid, digest, parameters } = algorithms[how]
  const certificate = AsnConvert.parse(leaf as ArrayBuffer, Certificate)
  const algorithm = new AlgorithmIdentifier({ algorithm: oid, parameters })
  certificate.tbsCertificate.signature = algorithm
  certificate.signatureAlgorithm = algorithm
  // Else the bytes that were parsed would be written again.
  certificate.tbsCertificateRaw = undefined
  const signed = Buffer.from(AsnConvert.serialize(certificate.tbsCertificate))
  certificate.signatureValue = new Uint8Array(sign(digest, signed, KeyObject.from(key))).buffer
  const all = [AsnConvert.serialize(certificate), ...others]
  return all.map((der) => `${PemConverter.encode(der, 'CERTIFICATE')}\n`).join('')
}

/**
 * A private key that says it belongs to the public key of another one: OpenSSL believes it, and signs with what it really has. So a
 * caller can send somebody else's certificate as its own, which no library lets it do.
 */
export function pretendingToHold(publicKey: KeyObject, ownKeyPem: string): string {
  const { x, y } = publicKey.export({ format: 'jwk' })
  const own = createPrivateKey(ownKeyPem).export({ format: 'jwk' })
  const pretended = createPrivateKey({ key: { ...own, x, y }, format: 'jwk' })
  return pretended.export({ type: 'pkcs8', format: 'pem' }).toString()
}
