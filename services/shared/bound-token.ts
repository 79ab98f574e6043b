import type { Guard } from './guard.ts'
import { tokenActive } from './token-active.ts'
import { tokenAudience, tokenBinding, tokenScope } from './token-binding.ts'
import { tokenClaims, tokenTime } from './token-claims.ts'
import type { TokenContext, ValidationMode } from './token-context.ts'
import { tokenForm, tokenIssuer } from './token-form.ts'
import { tokenSignature } from './token-signature.ts'

export {
  acceptedClaims,
  type BoundTokenClaims,
  claimsOf,
  decodeToken,
  type TokenContext,
  type TokenPolicy,
  tokenPrincipal,
  type ValidationMode,
} from './token-context.ts'

/**
 * The checks of a certificate-bound access token (RFC 9068, RFC 8705), in order. `identity` are the service's own checks of who
 * the proven caller is; they stand between the binding and the scope.
 *
 * A token that can be refused without a call causes no call: the auth server is asked last. In mode `introspection` its answer
 * takes the place of the signature, and the checks after it judge the claims that it returned.
 */
export function tokenGuards<Context extends TokenContext>(
  mode: ValidationMode,
  identity: readonly Guard<Context>[],
): readonly Guard<Context>[] {
  return [
    tokenForm,
    tokenIssuer,
    mode === 'introspection' ? tokenActive : tokenSignature,
    tokenClaims,
    tokenTime,
    tokenAudience,
    tokenBinding,
    ...identity,
    tokenScope,
    ...(mode === 'both' ? [tokenActive] : []),
  ]
}
