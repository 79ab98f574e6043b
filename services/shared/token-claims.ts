import { invalidToken } from './bearer.ts'
import { guard, type Refusal } from './guard.ts'
import { claimsOf, type TokenContext } from './token-context.ts'

const NAME = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/

const isText = (value: unknown): boolean => typeof value === 'string' && value !== '' && value.length <= 1024
const isTexts = (value: unknown): boolean => Array.isArray(value) && value.every(isText)
const isSeconds = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) > 0
const isName = (value: unknown): boolean => typeof value === 'string' && NAME.test(value)

/** RFC 9068 section 2.2, and what our tokens add to it. `cnf` is judged by `token.binding`. */
const REQUIRED: Readonly<Record<string, (value: unknown) => boolean>> = {
  iss: isText,
  aud: (value) => isText(value) || (isTexts(value) && (value as unknown[]).length > 0),
  sub: isName,
  client_id: isName,
  jti: isText,
  iat: isSeconds,
  exp: isSeconds,
  scope: (value) => typeof value === 'string',
  token_use: (value) => value === 'node' || value === 'peer',
  sans: isTexts,
}
const OPTIONAL: Readonly<Record<string, (value: unknown) => boolean>> = {
  nbf: isSeconds,
  trusted_domains: isTexts,
  trusted_nodes: isTexts,
}

const required = Object.entries(REQUIRED)
const optional = Object.entries(OPTIONAL)

export const tokenClaims = guard<TokenContext>('token.claims', ['claim_missing', 'claim_invalid'], (context) => {
  const claims = claimsOf(context)
  for (const [name, isValid] of required) {
    if (!Object.hasOwn(claims, name)) return invalidToken('claim_missing')
    if (!isValid(claims[name])) return invalidToken('claim_invalid')
  }
  for (const [name, isValid] of optional) {
    if (claims[name] !== undefined && !isValid(claims[name])) return invalidToken('claim_invalid')
  }
  return claims.client_id === claims.sub ? undefined : invalidToken('claim_invalid')
})

/** RFC 7519 sections 4.1.4 to 4.1.6, with the configured clock skew. */
export const tokenTime = guard<TokenContext>(
  'token.time',
  ['token_expired', 'token_not_yet_valid', 'token_iat_future'],
  (context): Refusal | undefined => {
    const { exp, nbf, iat } = claimsOf(context) as { exp?: number; nbf?: number; iat?: number }
    const now = context.policy.now() / 1000
    const skew = context.policy.clockSkewSeconds
    if (exp !== undefined && now >= exp + skew) return invalidToken('token_expired')
    if (nbf !== undefined && nbf > now + skew) return invalidToken('token_not_yet_valid')
    if (iat !== undefined && iat > now + skew) return invalidToken('token_iat_future')
    return undefined
  },
)
