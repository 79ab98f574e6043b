import type { SecretShape } from '../secrets.ts'

/** The seed of a key of operator, account, user, server, cluster or curve: base32, its sort in the first two letters. */
const seed = /\bS[ACNOUX][A-Z2-7]{56}\b/g
/** Enough to tell two seeds apart, too little to use. */
const keptCharacters = 8

/** Seeds of NATS keys. JWTs have the shape of any other token. */
export const natsSecrets: SecretShape = {
  standsNowhere: 'the seed of a NATS key',
  without: (text) => text.replaceAll(seed, (found) => `${found.slice(0, keptCharacters)}…`),
  guessedBy: (text) => text.match(seed) ?? [],
  // Public keys, and the banner of a creds file.
  published: /\b[ACNOUX][A-Z2-7]{55}\b|^\*+$/gm,
}
