/** Compact JWS or JWE, also one that was cut off: base64url parts after a JSON header. */
const jwtShaped = /eyJ[A-Za-z0-9_-]{5,}(?:\.[A-Za-z0-9_-]*){1,4}/g
const privatePem = /-----BEGIN ((?:[A-Z0-9]+ )*PRIVATE KEY)-----[\s\S]*?(?:-----END \1-----|$)/g
/** A private JWK's members, inside JSON text, which may itself be a text inside JSON. */
const privateJwk = /(\\*"(?:d|p|q|dp|dq|qi|k)\\*"\s*:\s*\\*")[A-Za-z0-9_-]{16,}(\\*")/g

/** How much of a secret may stay: enough to tell two apart, too little to use. */
const keptCharacters = 8

/** Text without secrets: tokens keep their first 8 characters, private keys nothing. Certificates are public and stay. */
export function redact(text: string): string {
  return text
    .replaceAll(privatePem, (_, label: string) => `[${label} removed]`)
    .replaceAll(jwtShaped, (token) => `${token.slice(0, keptCharacters)}…`)
    .replaceAll(privateJwk, '$1[removed]$2')
}

/** A JSON value without secrets. */
export function redactJson<T>(value: T): T {
  return JSON.parse(redact(JSON.stringify(value) ?? 'null')) as T
}

/** Tokens that stand in a text: compact ones with a JSON header. */
export function tokensIn(text: string): string[] {
  return [...text.matchAll(jwtShaped)].map(([token]) => token)
}

/** Names what stands in `text` of private keys, in PEM or as JWK. */
export function privateKeysIn(text: string): string[] {
  // A fresh expression each time: a global one remembers where it stopped.
  const isThere = [privatePem, privateJwk].some(({ source }) => new RegExp(source).test(text))
  return isThere ? ['a private key'] : []
}

/**
 * What of a secret stands in `text`, named for a report; empty when nothing does. `tokens` are searched by the parts that
 * nobody can guess, since a log may cut a token anywhere; the header is the same for every token and proves nothing.
 */
export function secretsIn(text: string, tokens: readonly string[]): string[] {
  const found: string[] = []
  // A fresh expression each time: a global one remembers where it stopped.
  if (new RegExp(privatePem.source).test(text)) found.push('a private key')
  for (const token of tokens) {
    const parts = token.split('.').slice(1)
    if (parts.some((part) => part.length > keptCharacters && text.includes(part.slice(0, 24)))) {
      found.push(`token ${token.slice(0, keptCharacters)}…`)
    }
  }
  return found
}
