import { decodeProtectedHeader } from 'jose/decode/protected_header'
import { decodeJwt } from 'jose/jwt/decode'
import type { Introspection } from './introspection.ts'
import type { IssuerKeys } from './issuer-keys.ts'

/** `jwks`: local signature only. `introspection`: the auth server's answer only. `both`: signature here, revocation there. */
export type ValidationMode = 'jwks' | 'introspection' | 'both'

/** What a node trusts, the same for all its listeners. */
export interface TokenPolicy {
  /** The node's own name, as `trusted_nodes` spells it. */
  readonly node: string
  readonly issuer: string
  readonly mode: ValidationMode
  readonly clockSkewSeconds: number
  readonly keys: IssuerKeys
  readonly introspection: Introspection
  /** Milliseconds since 1970. */
  readonly now: () => number
}

/**
 * What the `token.*` guards judge. Guards only look: whatever they need is decoded on demand, so each one stands alone.
 */
export interface TokenContext {
  readonly policy: TokenPolicy
  /** The compact token as it was carried; empty when none was. */
  readonly token: string
  /** `x5t#S256` of the leaf of this very connection. */
  readonly thumbprint: string | undefined
  /** Any one of these in `aud` is enough. */
  readonly audiences: readonly string[]
  readonly scope: string
  /** The auth server's active answer, once it was asked. */
  answer?: Readonly<Record<string, unknown>>
  /** Set by the guard that proved the claims: only then may they stand in a record. */
  proven?: boolean
  /** Judged again for a live session: what the auth server said a moment ago, to somebody who was connecting, will not do. */
  isLive?: boolean
  decoded?: DecodedToken
}

export interface DecodedToken {
  readonly header: Readonly<Record<string, unknown>> | undefined
  readonly payload: Readonly<Record<string, unknown>> | undefined
}

/** Claims of RFC 9068 and RFC 8705 as our auth servers mint them, after `token.claims` and `token.binding` have passed. */
export interface BoundTokenClaims {
  iss: string
  sub: string
  aud: string | string[]
  client_id: string
  jti: string
  iat: number
  exp: number
  nbf?: number
  scope: string
  cnf: { 'x5t#S256': string }
  token_use: 'node' | 'peer'
  sans: string[]
  trusted_domains?: string[]
  trusted_nodes?: string[]
}

/** Header and payload of a compact token, unverified; each undefined where it cannot be read. Kept with the context. */
export function decodedToken(context: Pick<TokenContext, 'token' | 'decoded'>): DecodedToken {
  context.decoded ??= decodeToken(context.token)
  return context.decoded
}

/** A caller shows the same token with every call, and what stands in it depends on its text alone. */
const decodedBefore = new Map<string, DecodedToken>()
const MOST_DECODED = 64
const LONGEST_KEPT = 8 * 1024

export function decodeToken(token: string): DecodedToken {
  const known = decodedBefore.get(token)
  if (known !== undefined) return known
  const decoded = {
    header: frozen(attempt(() => decodeProtectedHeader(token) as Record<string, unknown>)),
    payload: frozen(attempt(() => decodeJwt(token) as Record<string, unknown>)),
  }
  if (token.length > LONGEST_KEPT) return decoded
  if (decodedBefore.size >= MOST_DECODED) decodedBefore.clear()
  decodedBefore.set(token, decoded)
  return decoded
}

/** The claims to judge: the auth server's answer where it was asked for them, else the token's own payload. */
export function claimsOf(context: TokenContext): Readonly<Record<string, unknown>> {
  if (context.policy.mode === 'introspection' && context.answer !== undefined) return context.answer
  return decodedToken(context).payload ?? {}
}

/** The claims of a token that every guard has passed. */
export function acceptedClaims(context: TokenContext): BoundTokenClaims {
  return claimsOf(context) as unknown as BoundTokenClaims
}

/** Members of `aud`, which is a text or a list of texts (RFC 7519 section 4.1.3). */
export function audiencesOf(claims: Readonly<Record<string, unknown>>): string[] {
  const { aud } = claims
  return (Array.isArray(aud) ? aud : [aud]).filter((member): member is string => typeof member === 'string')
}

/** What is proven about the caller by its token: empty until a guard has proven the claims. */
export function tokenPrincipal(context: TokenContext): Record<string, string> {
  if (context.proven !== true) return {}
  const claims = claimsOf(context)
  const principal: Record<string, string> = {}
  for (const name of ['iss', 'sub', 'client_id', 'jti']) {
    const value = claims[name]
    if (typeof value === 'string') principal[name] = value.slice(0, 255)
  }
  return principal
}

/** Shared by all calls with the token, so nobody may change it: not the lists and objects in it either. */
function frozen<Value extends object>(value: Value | undefined): Value | undefined {
  for (const member of Object.values(value ?? {})) Object.freeze(member)
  return value && Object.freeze(value)
}

function attempt<Value>(read: () => Value): Value | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}
