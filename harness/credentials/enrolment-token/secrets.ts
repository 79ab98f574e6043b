import type { SecretShape } from '../secrets.ts'

/** Where it stands in the path of a URL: there nothing else shows that it is secret. */
const redeemed = /(?<=\/enrollment\/)[0-9a-f]{64}/gi
/** By so many its maker tells it from others, too. */
const keptCharacters = 8

export const invitationSecrets: SecretShape = {
  without: (text) => text.replaceAll(redeemed, (token) => `${token.slice(0, keptCharacters)}…`),
  guessedBy: (text) => [...text.matchAll(redeemed)].map(([token]) => token),
}
