import { guard } from '../../shared/guard.ts'
import type { LoginRequest } from '../request.ts'

export interface RequestContext {
  /** Undefined for what could not be opened, or is no request. */
  readonly request: LoginRequest | undefined
  /** The broker that this connection is on. */
  readonly serverId: string
  /** Milliseconds since 1970. */
  readonly now: number
}

/** Whoever else can publish to where requests come in must not be answered with a user. */
export const calloutRequest = guard<RequestContext>(
  'callout.request',
  ['callout_request_invalid'],
  ({ request, serverId, now }) => {
    const isOurs = request !== undefined && request.issuer === serverId && request.server.id === serverId
    const isInTime = request?.expiresAt !== undefined && request.expiresAt * 1000 > now
    return isOurs && isInTime ? undefined : { reason: 'callout_request_invalid', status: null }
  },
)
