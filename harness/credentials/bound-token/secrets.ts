import type { SecretShape } from '../secrets.ts'

/** Compact JWS or JWE, also one that was cut off: base64url parts after a JSON header. */
const jwtShaped = /eyJ[A-Za-z0-9_-]{5,}(?:\.[A-Za-z0-9_-]*){1,4}/g
/** The same after a header as empty as `{}`: nobody sees in a log that it is one, but it may be known to be. */
const compact = /(?:e30|eyJ[A-Za-z0-9_-]*)((?:\.[A-Za-z0-9_-]*){1,4})/g
/** Enough to tell two tokens apart, too little to use. */
const keptCharacters = 8

export const tokenSecrets: SecretShape = {
  without: (text) => text.replaceAll(jwtShaped, (token) => `${token.slice(0, keptCharacters)}…`),
  // The header is the same for every token, and proves nothing.
  guessedBy: (text) => [...text.matchAll(compact)].flatMap(([, parts = '']) => parts.split('.').map(unguessable)),
}

/** Claims hold names that certificates hold, too: they are known by their beginning. */
function unguessable(part: string): string {
  return part.startsWith('eyJ') ? part.slice(0, 24) : part
}

/** Tokens that stand in a text: compact ones with a JSON header. */
export function tokensIn(text: string): string[] {
  return [...text.matchAll(jwtShaped)].map(([token]) => token)
}
