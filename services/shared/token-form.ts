import { invalidToken } from './bearer.ts'
import { guard } from './guard.ts'
import { decodedToken, type TokenContext } from './token-context.ts'

/** Signature algorithms that any verifier here accepts. */
export const ALGORITHMS: readonly string[] = ['ES256', 'ES384', 'EdDSA', 'PS256']

const LONGEST_TOKEN = 8 * 1024
/** The third part may be empty here, so that `alg: none` is refused for what it is. */
const COMPACT = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*$/
/** RFC 8725 section 3.10: a key, or where to fetch one, is never taken from the token. RFC 7797 `b64` is not spoken here. */
const REFUSED_MEMBERS = ['jwk', 'jku', 'x5c', 'x5u', 'crit', 'b64']

export const tokenForm = guard<TokenContext>(
  'token.form',
  ['token_malformed', 'typ_invalid', 'alg_not_allowed'],
  (context) => {
    if (context.token.length > LONGEST_TOKEN || !COMPACT.test(context.token)) return invalidToken('token_malformed')
    const { header, payload } = decodedToken(context)
    if (header === undefined || payload === undefined) return invalidToken('token_malformed')
    // RFC 9068 section 4, RFC 7515 section 4.1.9: a media type, compared without case, its prefix optional.
    const typ = typeof header.typ === 'string' ? header.typ.toLowerCase() : undefined
    if (typ !== 'at+jwt' && typ !== 'application/at+jwt') return invalidToken('typ_invalid')
    if (!(ALGORITHMS as readonly unknown[]).includes(header.alg)) return invalidToken('alg_not_allowed')
    const { kid } = header
    if (typeof kid !== 'string' || kid === '' || kid.length > 256) return invalidToken('token_malformed')
    if (REFUSED_MEMBERS.some((member) => Object.hasOwn(header, member))) return invalidToken('token_malformed')
    return undefined
  },
)

/** RFC 9068 section 4: compared as a whole text with the configured issuer, before any call is made. */
export const tokenIssuer = guard<TokenContext>('token.issuer', ['issuer_untrusted'], (context) =>
  decodedToken(context).payload?.iss === context.policy.issuer ? undefined : invalidToken('issuer_untrusted'),
)
