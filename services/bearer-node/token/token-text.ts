import { randomBytes } from 'node:crypto'

/** RFC 6750 section 2.1, `b64token`. */
const B64TOKEN = /^[A-Za-z0-9._~+/-]+=*$/
const SHORTEST = 32
const LONGEST = 512
const NEW_BYTES = 32

/** Whether a text can be a token of a cluster: a `b64token` of 32 to 512 characters. */
export function isToken(text: string): boolean {
  return text.length >= SHORTEST && text.length <= LONGEST && isB64Token(text)
}

/** Whether a text can be anybody's token, however long. */
export function isB64Token(text: string): boolean {
  return B64TOKEN.test(text)
}

/** 256 bits that nobody can guess, as hex. */
export function newToken(): string {
  return randomBytes(NEW_BYTES).toString('hex')
}

/** For messages. */
export const TOKEN_FORM = `${SHORTEST} to ${LONGEST} of A-Z a-z 0-9 . _ ~ + / - with = at the end alone`
