import { insufficientScope, invalidToken } from './bearer.ts'
import { guard } from './guard.ts'
import { audiencesOf, claimsOf, type TokenContext } from './token-context.ts'

/** RFC 9068 section 4: this node, or a set of nodes that it belongs to, must be named. */
export const tokenAudience = guard<TokenContext>('token.audience', ['audience_mismatch'], (context) =>
  audiencesOf(claimsOf(context)).some((audience) => context.audiences.includes(audience))
    ? undefined
    : invalidToken('audience_mismatch'),
)

/** Base64url of 32 bytes has 43 characters, and the last one carries four bits only: anything else is another encoding. */
const THUMBPRINT = /^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/

/** RFC 8705 section 3: the token works over the connection of the certificate that it is bound to, and no other. */
export const tokenBinding = guard<TokenContext>(
  'token.binding',
  ['cnf_missing', 'cnf_malformed', 'cnf_x5t_mismatch'],
  (context) => {
    const { cnf } = claimsOf(context)
    if (cnf === undefined || cnf === null) return invalidToken('cnf_missing')
    if (typeof cnf !== 'object' || Array.isArray(cnf)) return invalidToken('cnf_malformed')
    const bound = (cnf as Record<string, unknown>)['x5t#S256']
    if (bound === undefined) return invalidToken('cnf_missing')
    if (typeof bound !== 'string' || !THUMBPRINT.test(bound)) return invalidToken('cnf_malformed')
    return bound === context.thumbprint ? undefined : invalidToken('cnf_x5t_mismatch')
  },
)

/** The scope of this call, and `trusted_nodes`: absent, or naming this node. */
export const tokenScope = guard<TokenContext>('token.scope', ['scope_insufficient', 'node_not_trusted'], (context) => {
  const { scope, trusted_nodes: nodes } = claimsOf(context)
  if (typeof scope !== 'string' || !scope.split(' ').includes(context.scope)) {
    return insufficientScope('scope_insufficient', context.scope)
  }
  if (Array.isArray(nodes) && !nodes.includes(context.policy.node)) {
    return insufficientScope('node_not_trusted', context.scope)
  }
  return undefined
})
