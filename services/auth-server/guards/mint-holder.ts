import { guard, type Refusal } from '../../shared/guard.ts'
import { type Client, type Grant, type Holder, SHORTEST_LIFE_SECONDS } from '../model.ts'

/** A token that an operator asks for in the name of a holder. */
export interface MintOrder {
  client: Client | undefined
  /** The proven certificate that was named, or else the newest. */
  holder: Holder | undefined
  grant: Grant | undefined
  scope: readonly string[] | undefined
  /** As it stood in the body, whatever it was. */
  expiresIn: unknown
}

const refused = (reason: string, status: number, error: string): Refusal => ({ reason, status, error })

export const mintHolder = guard<MintOrder>(
  'mint.holder',
  ['client_unknown', 'holder_unproven', 'holder_expired', 'resource_not_allowed', 'scope_not_allowed', 'ttl_invalid'],
  ({ client, holder, grant, scope, expiresIn }) => {
    if (client === undefined) return refused('client_unknown', 404, 'not_found')
    if (holder === undefined) return refused('holder_unproven', 403, 'access_denied')
    if (holder.notAfter * 1000 <= Date.now()) return refused('holder_expired', 400, 'invalid_request')
    if (grant === undefined) return refused('resource_not_allowed', 403, 'access_denied')
    if (scope?.some((item) => !grant.scopes.includes(item))) return refused('scope_not_allowed', 403, 'access_denied')
    return isLife(expiresIn, grant) ? undefined : refused('ttl_invalid', 400, 'invalid_request')
  },
)

function isLife(expiresIn: unknown, grant: Grant): boolean {
  if (expiresIn === undefined) return true
  return (
    Number.isSafeInteger(expiresIn) &&
    Number(expiresIn) >= SHORTEST_LIFE_SECONDS &&
    Number(expiresIn) <= grant.maxTtlSeconds
  )
}
