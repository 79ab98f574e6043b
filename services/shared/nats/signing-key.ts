import { createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto'
import { fromSeed, type KeyPair } from '@nats-io/nkeys'
import { Codec } from '@nats-io/nkeys/lib/codec.js'

// The library takes some milliseconds for each step with an Ed25519 key (RFC 8032), OpenSSL next to none.

/** Signs as the key does that a seed stands for. */
export function signerOf(seed: Uint8Array): (input: Uint8Array) => Uint8Array {
  const key = privateKeyOf(fromSeed(seed))
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

/** The public key that belongs to a seed, as NATS writes it. Throws for what is no seed. */
export function publicKeyIn(seed: Uint8Array): string {
  const pair = fromSeed(seed)
  // Of a key for sealing (X25519) it is another one.
  if (!isForSigning(pair)) return pair.getPublicKey()
  const { x = '' } = createPublicKey(privateKeyOf(pair)).export({ format: 'jwk' })
  const { prefix } = Codec.decodeSeed(seed)
  return new TextDecoder().decode(Codec.encode(prefix, Buffer.from(x, 'base64url')))
}

/** On every pair to sign with; its type leaves it out. */
type SigningPair = KeyPair & { getRawSeed(): Uint8Array }

function isForSigning(pair: KeyPair): pair is SigningPair {
  return 'getRawSeed' in pair
}

function privateKeyOf(pair: KeyPair): KeyObject {
  if (!isForSigning(pair)) throw new Error('this key signs nothing')
  // RFC 8037 section 2; Node works the public half out of the private one.
  const d = Buffer.from(pair.getRawSeed()).toString('base64url')
  return createPrivateKey({ key: { kty: 'OKP', crv: 'Ed25519', d, x: '' }, format: 'jwk' })
}
