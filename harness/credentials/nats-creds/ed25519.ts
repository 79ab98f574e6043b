import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import { createRequire } from 'node:module'

// The NATS libraries sign, verify and derive public keys in JavaScript (tweetnacl), some milliseconds each, and whoever forges credentials by
// the hundred waits for that. Node has the same algorithm (RFC 8032) a hundred times faster, and refuses signatures that are written in a
// second form, as the broker does. Whoever imports this gives it to these libraries (docs/decisions/nats-nkeys.md).

interface Nacl {
  sign: {
    detached: ((message: Uint8Array, secretKey: Uint8Array) => Uint8Array) & {
      verify(message: Uint8Array, signature: Uint8Array, publicKey: Uint8Array): boolean
    }
    keyPair: { fromSeed(seed: Uint8Array): { publicKey: Uint8Array; secretKey: Uint8Array } }
  }
}

const KEY_BYTES = 32
const SIGNATURE_BYTES = 64
const curve = { kty: 'OKP', crv: 'Ed25519' } as const

const nacl = createRequire(createRequire(import.meta.url).resolve('@nats-io/nkeys'))('tweetnacl') as Nacl
// What is of the wrong size is for the library to complain about.
const { detached, keyPair } = nacl.sign
const [slowVerify, slowFromSeed] = [detached.verify, keyPair.fromSeed]

nacl.sign.detached = Object.assign(
  (message: Uint8Array, secretKey: Uint8Array) => {
    if (secretKey.length !== 2 * KEY_BYTES) return detached(message, secretKey)
    return new Uint8Array(sign(null, message, privateKeyOf(secretKey.subarray(0, KEY_BYTES))))
  },
  detached,
  {
    verify(message: Uint8Array, signature: Uint8Array, publicKey: Uint8Array) {
      if (signature.length !== SIGNATURE_BYTES || publicKey.length !== KEY_BYTES)
        return slowVerify(message, signature, publicKey)
      return verify(null, message, publicKeyOf(publicKey), signature)
    },
  },
)

nacl.sign.keyPair.fromSeed = (seed: Uint8Array) => {
  if (seed.length !== KEY_BYTES) return slowFromSeed(seed)
  const { x = '' } = createPublicKey(privateKeyOf(seed)).export({ format: 'jwk' })
  const publicKey = new Uint8Array(Buffer.from(x, 'base64url'))
  return { publicKey, secretKey: new Uint8Array([...seed, ...publicKey]) }
}

// RFC 8037 section 2; Node works the public half out of the private one.
function privateKeyOf(seed: Uint8Array): KeyObject {
  return createPrivateKey({ key: { ...curve, d: Buffer.from(seed).toString('base64url'), x: '' }, format: 'jwk' })
}

function publicKeyOf(bytes: Uint8Array): KeyObject {
  return createPublicKey({ key: { ...curve, x: Buffer.from(bytes).toString('base64url') }, format: 'jwk' })
}
