const LEAST_BYTES = 32

/** Words that stand in examples until somebody puts a secret there, and that come back from a search for examples. */
const PLACEHOLDER =
  /change[-_ ]?me|change[-_ ]?this|replace[-_ ]?(me|this)|your[-_ ]?secret|example|placeholder|better-auth-secret/i

/** Why a secret must not seal anything; undefined for one that may. Never says what is in it. */
export function weaknessOf(secret: string): string | undefined {
  const trimmed = secret.trim()
  if (Buffer.byteLength(trimmed) < LEAST_BYTES) return `has less than ${LEAST_BYTES} bytes`
  if (PLACEHOLDER.test(trimmed)) return 'is a placeholder'
  return new Set(trimmed).size < 8 ? 'is made of a few characters, again and again' : undefined
}
