import type { Health } from './health.ts'
import { type Answer, type Route, route } from './listener/route.ts'
import type { AcceptedTokens } from './token/accepted.ts'

/** What a node says of itself alone. */
export function ownRoutes({ health, tokens }: { health: Health; tokens: AcceptedTokens | undefined }): Route[] {
  return [
    route({
      ...{ method: 'GET', path: '/healthz', action: 'health:read', access: 'open', effect: 'none' },
      handle: () => ({ status: 200, body: { status: 'ok' } }),
    }),
    route({
      ...{ method: 'GET', path: '/readyz', action: 'health:read', access: 'open', effect: 'none' },
      handle: () => readiness(health.reasons()),
    }),
    route({
      ...{ method: 'GET', path: '/v1/auth', action: 'auth:read', access: 'token', effect: 'none' },
      handle: () => ({ status: 200, body: authentication(tokens) }),
    }),
  ]
}

function readiness(reasons: readonly string[]): Answer {
  if (reasons.length === 0) return { status: 200, body: { status: 'ok' } }
  return { status: 503, headers: { 'retry-after': '1' }, body: { status: 'unavailable', reasons } }
}

/** Refs of what is sent and accepted: by these an operator sees which nodes disagree. */
function authentication(tokens: AcceptedTokens | undefined): unknown {
  if (tokens === undefined) return { sends: null, accepts: [] }
  const accepts = tokens.accepts().map(({ ref, until }) => {
    return { ref, until: until === undefined ? null : new Date(until).toISOString() }
  })
  return { sends: tokens.refOf(tokens.current()), accepts }
}
