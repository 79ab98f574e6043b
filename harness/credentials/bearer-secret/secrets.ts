// #region secrets
import type { SecretShape } from '../secrets.ts'

/** Behind the scheme in which it travels; compact tokens are known by a shape of their own. */
const carried = /(?<=\bBearer )(?!eyJ)[\w~+/-]{32,}=*/g
const alone = /^(?!eyJ)[\w~+/-]{32,}=*$/
/** Enough to tell two secrets apart, too little to use. */
const keptCharacters = 8

/** A text without any structure: by itself nobody can see that it is secret. Those of a run are known by their values, too. */
export const bearerSecrets: SecretShape = {
  without: (text) => text.replaceAll(carried, (secret) => `${secret.slice(0, keptCharacters)}…`),
  guessedBy: (text) => [...text.matchAll(carried)].map(([secret]) => secret).concat(alone.test(text) ? text : []),
}

/** The secret that a file holds: all of it, but for the end of its line. */
export function textOf(content: string): string {
  return content.replace(/\r?\n$/, '')
}
// #endregion
