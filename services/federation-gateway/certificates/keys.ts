import { createHash, type KeyObject } from 'node:crypto'

const CURVES = new Set(['prime256v1', 'secp384r1'])

/** EC P-256 or P-384, or RSA of 2048 to 4096 bits (RFC 9325 section 4.2 and 4.3). */
export function isStrongKey({ asymmetricKeyType: type, asymmetricKeyDetails: details = {} }: KeyObject): boolean {
  if (type === 'ec') return CURVES.has(details.namedCurve ?? '')
  const bits = details.modulusLength ?? 0
  return type === 'rsa' && bits >= 2048 && bits <= 4096
}

/**
 * RFC 7638 thumbprint of a public key: the same for every way to write the key down, which a hash of its DER is not (a point of a curve has
 * two). A key that was in a certificate before is known by it.
 */
export function keyThumbprint(key: KeyObject): string {
  const { crv, e, kty, n, x, y } = key.export({ format: 'jwk' })
  const members = kty === 'EC' ? { crv, kty, x, y } : { e, kty, n }
  return createHash('sha256').update(JSON.stringify(members)).digest('base64url')
}
