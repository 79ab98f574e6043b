import { guard, type Refusal } from '../../shared/guard.ts'
import type { Client } from '../model.ts'

export interface TokenRequest {
  form: URLSearchParams
  client: Client
}

const refused = (reason: string, error: string): Refusal => ({ reason, status: 400, error })

export const tokenGrant = guard<TokenRequest>(
  'token.grant',
  ['grant_unsupported', 'target_invalid', 'scope_invalid'],
  ({ form, client }) => {
    const grantType = form.get('grant_type')
    if (grantType === null) return refused('grant_unsupported', 'invalid_request')
    if (grantType !== 'client_credentials') return refused('grant_unsupported', 'unsupported_grant_type')
    const grant = requestedGrant(form, client)
    if (grant === undefined) return refused('target_invalid', 'invalid_target')
    const scopes = requestedScopes(form)
    const isAllowed = scopes === undefined || scopes.every((scope) => grant.scopes.includes(scope))
    return isAllowed ? undefined : refused('scope_invalid', 'invalid_scope')
  },
)

/** The grant of the one `resource` of a request; of the client's first grant when there is none. */
export function requestedGrant(form: URLSearchParams, client: Client) {
  const resources = form.getAll('resource')
  if (resources.length > 1) return undefined
  const [resource] = resources
  return resource === undefined ? client.grants[0] : client.grants.find((grant) => grant.resource === resource)
}

/** Undefined when the request leaves the scope to the grant. */
export function requestedScopes(form: URLSearchParams): string[] | undefined {
  const scope = form.get('scope')
  return scope === null ? undefined : scope.split(' ')
}
