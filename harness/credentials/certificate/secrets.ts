import { createPrivateKey } from 'node:crypto'
import type { SecretShape } from '../secrets.ts'

const privatePem = /-----BEGIN ((?:[A-Z0-9]+ )*PRIVATE KEY)-----[\s\S]*?(?:-----END \1-----|$)/g
/** A private JWK's members, inside JSON text, which may itself be a text inside JSON. */
const privateJwk = /(\\*"(?:d|p|q|dp|dq|qi|k)\\*"\s*:\s*\\*")([A-Za-z0-9_-]{16,})(\\*")/g

/** Private keys, in PEM or as JWK. Certificates are public and stay. */
export const certificateSecrets: SecretShape = {
  standsNowhere: 'a private key',
  without: (text) =>
    text.replaceAll(privatePem, (_, label: string) => `[${label} removed]`).replaceAll(privateJwk, '$1[removed]$3'),
  guessedBy: (text) => [
    ...[...text.matchAll(privatePem)].flatMap(([pem]) => privateParts(pem)),
    ...[...text.matchAll(privateJwk)].map(([, , member = '']) => Buffer.from(member, 'base64url')),
  ],
  published: /-----BEGIN ((?:X509 )?(?:CERTIFICATE|CERTIFICATE REQUEST|PUBLIC KEY|CRL))-----[\s\S]*?-----END \1-----/g,
}

/** The numbers of a key that are secret: its text holds public ones, too, which stand in certificates. */
function privateParts(pem: string): (string | Uint8Array)[] {
  try {
    const { d, p, q, dp, dq, qi } = createPrivateKey(pem).export({ format: 'jwk' })
    return [d, p, q, dp, dq, qi].flatMap((part) => (part === undefined ? [] : Buffer.from(part, 'base64url')))
  } catch {
    // Encrypted, say, or cut off.
    return pem.split('\n').filter((line) => !line.startsWith('-----'))
  }
}
