import { createPrivateKey, sign } from 'node:crypto'
import { fromSeed, type KeyPair } from '@nats-io/nkeys'

/** Signs as the key does that a seed stands for (Ed25519, RFC 8032). The library takes some milliseconds for each signature, OpenSSL next to none. */
export function signerOf(seed: Uint8Array): (input: Uint8Array) => Uint8Array {
  // It is on every pair that is made of a seed; its type leaves it out.
  const raw = (fromSeed(seed) as KeyPair & { getRawSeed(): Uint8Array }).getRawSeed()
  // RFC 8037 section 2; Node works the public half out of the private one.
  const d = Buffer.from(raw).toString('base64url')
  const key = createPrivateKey({ key: { kty: 'OKP', crv: 'Ed25519', d, x: '' }, format: 'jwk' })
  return (input) => sign(null, input, key)
}

/**
 * A key to sign JWTs with. The library's own is derived from its seed anew with each look at it, four times for one JWT, while hundreds of
 * hosts may log in at once and wait for two each: this one is derived once.
 */
export function signingKey(seed: Uint8Array): KeyPair {
  const pair = fromSeed(seed)
  const [publicKey, privateKey] = [pair.getPublicKey(), pair.getPrivateKey()]
  return Object.assign(pair, {
    getPublicKey: () => publicKey,
    getPrivateKey: () => privateKey,
    sign: signerOf(seed),
  })
}
