import { createHash } from 'node:crypto'

/** By what a token may be called where people read: the first 8 hex digits of SHA-256 over `holdfast-ref:` and the token. Tells nothing of it. */
export function refOf(token: string): string {
  return createHash('sha256').update(`holdfast-ref:${token}`).digest('hex').slice(0, 8)
}
