import { invalidToken, unavailable } from './bearer.ts'
import { guard } from './guard.ts'
import type { TokenContext } from './token-context.ts'

/** The signature, by a key of the configured issuer's set that fits `alg` and `use`. */
export const tokenSignature = guard<TokenContext>(
  'token.signature',
  ['kid_unknown', 'signature_invalid', 'jwks_unavailable'],
  async (context) => {
    const result = await context.policy.keys.verify(context.token)
    if (result === 'jwks_unavailable') return unavailable(result)
    if (result !== 'valid') return invalidToken(result)
    context.proven = true
    return undefined
  },
)
