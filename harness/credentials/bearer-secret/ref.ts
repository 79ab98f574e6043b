import { createHash } from 'node:crypto'

/** First digits of a digest with a prefix of its own, so that it is no digest of the secret that anything else could take. */
export function refOf(secret: string): string {
  return createHash('sha256').update(`holdfast-ref:${secret}`).digest('hex').slice(0, 8)
}
