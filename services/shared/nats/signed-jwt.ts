import { createPublicKey, type KeyObject, verify } from 'node:crypto'
import { Algorithms, Base64UrlCodec, type ClaimsData, decode } from '@nats-io/jwt'
import { fromPublic } from '@nats-io/nkeys'
import { Codec } from '@nats-io/nkeys/lib/codec.js'

/**
 * Claims of a JWT of NATS, its signature verified by the key that it names; whose key that is, others judge. It reads what the library's
 * `decode` reads and as that reads it, but has OpenSSL verify the signature (Ed25519, RFC 8032), which takes the library some milliseconds.
 *
 * @throws for everything that is no such JWT
 */
export function decodeSigned<T>(jwt: string): ClaimsData<T> {
  const [head = '', body = '', signature = '', ...more] = jwt.split('.')
  const header = jsonIn(head) as { typ?: unknown; alg?: unknown }
  // What signs less than header and body, is no JWT, or is damaged, is for the library to read, or to refuse.
  if (more.length > 0 || header.alg !== Algorithms.v2 || !TYPES.includes(header.typ)) return decode<T>(jwt)
  const claims = jsonIn(body) as ClaimsData<T>
  const signed = new TextEncoder().encode(`${head}.${body}`)
  const bytes = Base64UrlCodec.decode(signature, true) as Uint8Array
  if (verify(null, signed, keyOf(claims.iss), bytes)) return claims
  throw new Error('sig verification failed')
}

const TYPES: readonly unknown[] = ['jwt', 'JWT']

function jsonIn(part: string): unknown {
  return JSON.parse(Base64UrlCodec.decode(part) as string)
}

/** A public key as NATS writes it, of whatever sort. Throws for what is none. */
function keyOf(text: string): KeyObject {
  const written = new TextEncoder().encode(fromPublic(text).getPublicKey())
  // Its sort comes first, and its checksum is right by now. RFC 8037 section 2.
  const x = Buffer.from(Codec._decode(written).subarray(1)).toString('base64url')
  return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' })
}
