import { type KeyObject, verify } from 'node:crypto'

/** Algorithms of signatures that are taken, with the digest of each (RFC 5758 section 3.2, RFC 4055 section 5): SHA-256 or better. */
const DIGEST_OF: Readonly<Record<string, { digest: string; key: 'ec' | 'rsa' }>> = {
  '1.2.840.10045.4.3.2': { digest: 'sha256', key: 'ec' },
  '1.2.840.10045.4.3.3': { digest: 'sha384', key: 'ec' },
  '1.2.840.10045.4.3.4': { digest: 'sha512', key: 'ec' },
  '1.2.840.113549.1.1.11': { digest: 'sha256', key: 'rsa' },
  '1.2.840.113549.1.1.12': { digest: 'sha384', key: 'rsa' },
  '1.2.840.113549.1.1.13': { digest: 'sha512', key: 'rsa' },
}

export interface Signed {
  /** The bytes that were signed, as they came. */
  readonly content: Uint8Array
  readonly algorithm: string
  readonly signature: Uint8Array
}

/** Whether this is an algorithm whose digest nobody can find a second text for. */
export function isStrongDigest(algorithm: string): boolean {
  return Object.hasOwn(DIGEST_OF, algorithm)
}

/** Whether the key has signed this, by one of those algorithms. */
export function isSignedBy(key: KeyObject, { content, algorithm, signature }: Signed): boolean {
  const known = Object.hasOwn(DIGEST_OF, algorithm) ? DIGEST_OF[algorithm] : undefined
  return known !== undefined && key.asymmetricKeyType === known.key && verify(known.digest, content, key, signature)
}
