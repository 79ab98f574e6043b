import { guard } from '../../shared/guard.ts'

export interface RouteRequest {
  method: string
  /** Methods that the path knows; undefined when there is no such path. */
  methods: readonly string[] | undefined
}

export const requestRoute = guard<RouteRequest>(
  'request.route',
  ['path_unknown', 'method_not_allowed'],
  ({ method, methods }) => {
    if (methods === undefined) return { reason: 'path_unknown', status: 404, error: 'not_found' }
    if (methods.includes(method)) return undefined
    return { reason: 'method_not_allowed', status: 405, error: 'invalid_request', allow: methods }
  },
)
