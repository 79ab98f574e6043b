import { z } from 'zod'

const THINGS = { O: 'an operator', A: 'an account', U: 'a user', X: 'a curve key pair' } as const

/** A public key as NATS writes it: its sort, then base32 of the key and a checksum. */
export function publicKey(sort: keyof typeof THINGS) {
  return z.string().regex(new RegExp(`^${sort}[A-Z2-7]{55}$`), `must be the public key of ${THINGS[sort]}`)
}
