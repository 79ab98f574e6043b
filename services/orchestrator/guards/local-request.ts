import { guard, type Refusal } from '../../shared/guard.ts'
import { type BodyRefused, JSON_BODY_REASONS } from '../../shared/http-json.ts'
import type { StartFailure } from '../../shared/start-failure.ts'
import { PEER_TOKEN_REASONS } from './start-config.ts'

const refused = (reason: string, status: number, error: string): Refusal => ({ reason, status, error })

/** A path of the local API, and a method that it knows. `methods`: of that path; undefined when there is none. */
export const localRoute = guard<{ method: string; methods: readonly string[] | undefined }>(
  'local.route',
  ['path_unknown', 'method_not_allowed'],
  ({ method, methods }) => {
    if (methods === undefined) return refused('path_unknown', 404, 'not_found')
    if (methods.includes(method)) return undefined
    return { ...refused('method_not_allowed', 405, 'method_not_allowed'), allow: methods }
  },
)

/** A query whose parameters stand once and say what they may. */
export const localQuery = guard<{ isValid: boolean }>('local.query', ['query_invalid'], ({ isValid }) =>
  isValid ? undefined : refused('query_invalid', 400, 'invalid_request'),
)

/** A body, read and taken for what it should be; `unreadable` says why it could not be read. */
export const localBody = guard<{ unreadable?: BodyRefused['refusal']; isValid: boolean }>(
  'local.body',
  [...JSON_BODY_REASONS, 'member_invalid'],
  ({ unreadable, isValid }) => {
    if (unreadable !== undefined) return refused(unreadable.reason, unreadable.status, unreadable.reason)
    return isValid ? undefined : refused('member_invalid', 400, 'invalid_request')
  },
)

/** The peer or route that is named must be there, must not be there yet, or must be ours to change. */
export const localObject = guard<{ exists?: boolean; isTaken?: boolean; isLearned?: boolean }>(
  'local.object',
  ['object_unknown', 'peer_exists', 'route_learned'],
  ({ exists = true, isTaken = false, isLearned = false }) => {
    if (isLearned) return refused('route_learned', 403, 'route_learned')
    if (!exists) return refused('object_unknown', 404, 'not_found')
    return isTaken ? refused('peer_exists', 409, 'peer_exists') : undefined
  },
)

/** What an operator says of a peer must be right, and the token for it one that the peer will take. */
export const localPeer = guard<{ failure: StartFailure | undefined }>(
  'local.peer',
  ['config_invalid', 'endpoint_plaintext', ...PEER_TOKEN_REASONS],
  ({ failure }) => (failure === undefined ? undefined : refused(failure.reason, 400, failure.reason)),
)

/** What could not be kept did not happen. */
export const localStorage = guard<{ isKept: boolean }>('local.storage', ['storage_unavailable'], ({ isKept }) =>
  isKept ? undefined : { ...refused('storage_unavailable', 503, 'storage_unavailable'), retryAfter: 1 },
)
