import { invalidToken, unavailable } from './bearer.ts'
import { guard } from './guard.ts'
import { audiencesOf, decodedToken, type TokenContext } from './token-context.ts'

/** RFC 7662: the auth server says that the token is active, and what it says of the token agrees with the token. */
export const tokenActive = guard<TokenContext>(
  'token.active',
  ['token_inactive', 'introspection_mismatch', 'auth_unavailable'],
  async (context) => {
    const result = await context.policy.introspection.ask(context.token, expiryOf(context), context.isLive)
    if (result === 'unavailable') return unavailable('auth_unavailable')
    if (result.active === false) return invalidToken('token_inactive')
    if (result.active !== true || !agrees(result, decodedToken(context).payload ?? {})) {
      return invalidToken('introspection_mismatch')
    }
    context.answer = result
    context.proven = true
    return undefined
  },
)

function expiryOf(context: TokenContext): number | undefined {
  const exp = decodedToken(context).payload?.exp
  return typeof exp === 'number' ? exp * 1000 : undefined
}

/** GEN-31: an answer about another holder, subject, issuer or audience is an answer about another token. */
function agrees(answer: Readonly<Record<string, unknown>>, payload: Readonly<Record<string, unknown>>): boolean {
  const told = audiencesOf(answer)
  const held = audiencesOf(payload)
  return (
    thumbprintIn(answer) !== undefined &&
    thumbprintIn(answer) === thumbprintIn(payload) &&
    answer.sub === payload.sub &&
    // It may leave that out (RFC 7662 section 2.2).
    (answer.iss === undefined || answer.iss === payload.iss) &&
    told.length === held.length &&
    told.every((audience) => held.includes(audience))
  )
}

function thumbprintIn(claims: Readonly<Record<string, unknown>>): unknown {
  const { cnf } = claims
  return cnf !== null && typeof cnf === 'object' ? (cnf as Record<string, unknown>)['x5t#S256'] : undefined
}
