import { createHash, randomBytes } from 'node:crypto'

/** What an enrolment token is for: the first certificate of a pending grant, or a new beginning for an active one. */
export const PURPOSES = ['enrolment', 're-enrolment'] as const
export type Purpose = (typeof PURPOSES)[number]

export const LONGEST_TTL = 900

/** A token as it is made. `token` is shown once and never stored. */
export interface MadeToken {
  readonly token: string
  /** SHA-256 in lower-case hex: what is stored, and looked up. */
  readonly sha256: string
  /** The first eight characters, by which people tell tokens apart. */
  readonly prefix: string
}

const FORM = /^[0-9a-f]{64}$/
const PREFIX = 8

export function makeToken(): MadeToken {
  const token = randomBytes(32).toString('hex')
  return { token, sha256: hashOfToken(token), prefix: token.slice(0, PREFIX) }
}

/** What to look a token up by; undefined for what no token looks like, which answers like one that is not known. */
export function lookupOf(token: string): string | undefined {
  return FORM.test(token) ? hashOfToken(token) : undefined
}

/** Whole seconds from 1 to 900; the request's schema says the rest. */
export function isTtl(seconds: unknown): seconds is number {
  return Number.isInteger(seconds) && (seconds as number) >= 1 && (seconds as number) <= LONGEST_TTL
}

/** As tokens of every kind are stored and looked up: SHA-256 in lower-case hex. */
export function hashOfToken(token: string): string {
  return createHash('sha256').update(token).digest('hex')
}
