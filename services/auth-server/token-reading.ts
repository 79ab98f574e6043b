import { decodeProtectedHeader } from 'jose/decode/protected_header'
import { compactVerify } from 'jose/jws/compact/verify'
import type { KeyRing } from './keys.ts'
import type { StoredToken } from './model.ts'
import type { Store } from './store/store.ts'

/** What this server knows of a token that somebody shows it. */
export type Reading =
  | { token: StoredToken }
  /** Why it counts for nothing: not ours, forged, signed with a retired key, or never recorded. */
  | { nothing: 'malformed' | 'unknown_key' | 'forged' | 'unrecorded' }

const LONGEST_TOKEN = 8 * 1024

/**
 * Reads one of our own tokens: signed with a key that verifies now, and recorded. Whether it is still active is in the row.
 * A token whose row is lost is nothing: a lost database must not revive what was revoked.
 */
export async function readToken(text: string, keys: KeyRing, store: Store, issuer: string): Promise<Reading> {
  if (text.length > LONGEST_TOKEN) return { nothing: 'malformed' }
  let header: ReturnType<typeof decodeProtectedHeader>
  try {
    header = decodeProtectedHeader(text)
  } catch {
    return { nothing: 'malformed' }
  }
  if (header.typ !== 'at+jwt' || typeof header.kid !== 'string') return { nothing: 'malformed' }
  const verifier = await keys.verifier(header.kid)
  if (verifier === undefined) return { nothing: 'unknown_key' }
  let claims: { iss?: unknown; jti?: unknown }
  try {
    const { payload } = await compactVerify(text, verifier.key, { algorithms: [verifier.alg] })
    // What our own key signed is JSON, but need not be an object.
    claims = Object(JSON.parse(new TextDecoder().decode(payload))) as typeof claims
  } catch {
    return { nothing: 'forged' }
  }
  if (claims.iss !== issuer || typeof claims.jti !== 'string') return { nothing: 'forged' }
  const token = store.tokens.find(claims.jti, Math.floor(Date.now() / 1000))
  return token === undefined ? { nothing: 'unrecorded' } : { token }
}

/** RFC 7662 section 2.2: what is answered of an active token. */
export function introspectionOf(token: StoredToken, issuer: string): Record<string, unknown> {
  return {
    active: true,
    iss: issuer,
    sub: token.clientId,
    aud: token.aud.length === 1 ? token.aud[0] : token.aud,
    client_id: token.clientId,
    jti: token.jti,
    iat: token.iat,
    exp: token.exp,
    scope: token.scope,
    token_type: 'Bearer',
    cnf: { 'x5t#S256': token.x5t },
    token_use: token.use,
    sans: token.sans,
    trusted_domains: token.trustedDomains,
    ...(token.trustedNodes === undefined ? {} : { trusted_nodes: token.trustedNodes }),
  }
}
