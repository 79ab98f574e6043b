import type { Action } from '../../topology/kind.ts'
import type { ActionVerification, PlannedCheck, Refusal, Way } from '../../topology/verification.ts'
import { checkOf } from '../checks.ts'
import type { Settings } from './settings.ts'

// How callers are judged, by what they ask for: everybody may, who may read may, or only who has the token.

interface Asked {
  readonly access: 'open' | 'read' | 'token'
  readonly action: Action
}

const get = (summary: string, path: string): Action => ({
  ...{ summary, listener: 'main', carrier: 'bearer' },
  request: { http: { method: 'GET', path, expect: [200] } },
})

/** One of each class; of those that write, one that all calls together do once. */
const asked: Readonly<Record<string, Asked>> = {
  'health:read': { access: 'open', action: get('asks whether it is ready', '/readyz') },
  'cluster:read': { access: 'read', action: get('asks who leads', '/v1/status') },
  'auth:read': { access: 'token', action: get('asks which tokens are sent and accepted', '/v1/auth') },
  'pipeline:run': {
    access: 'token',
    action: {
      ...{ summary: 'has a pipeline run', listener: 'main', carrier: 'bearer' },
      request: {
        http: {
          ...{ method: 'POST', path: '/v1/pipeline/run', expect: [202, 200] },
          json: { pipeline: 'canonical_selfplay', params: { games: 2 } },
          fields: { 'Idempotency-Key': 'one-run-of-all-calls' },
        },
      },
    },
  },
}

export const actions: Readonly<Record<string, Action>> = Object.fromEntries(
  Object.entries(asked).map(([name, { action }]) => [name, action]),
)

const check = checkOf('bearer-secret')
const answers = {
  nothing: { layer: 'http', status: 401, error: null },
  unusable: { layer: 'http', status: 400, error: 'invalid_request' },
  wrong: { layer: 'http', status: 401, error: 'invalid_token' },
} as const

/** In the order of the program: whether it can be used, whether it is there where it is needed, and which one it is wherever it is. */
function checksOf({ token, readAccess }: Settings, { access }: Asked): PlannedCheck[] {
  const isOpen = access === 'open' || (access === 'read' && readAccess === 'open')
  return [
    check('well-formed', 'bearer.carrier', 'carrier_malformed', answers.unusable),
    ...(isOpen ? [] : [check('presented', 'bearer.access', 'credential_missing', answers.nothing)]),
    check('not-ended', 'bearer.token', 'token_ended', answers.wrong),
    check('matches', 'bearer.token', 'token_unknown', answers.wrong, { secrets: [token] }),
  ]
}

const inQuery: Refusal = { guard: 'bearer.carrier', reason: 'carrier_in_query', ...answers.unusable }

/** How else a secret can be put into a request (RFC 6750 section 2): what is not read does not reach it, what must not be is refused. */
function waysOf({ headerAlias }: Settings, { request }: Action): Record<string, Way> {
  const { json } = request.http as { json?: unknown }
  const put = (place: object, way: Omit<Way, 'call'>): Way => ({ call: { put: { secret: place } }, fields: {}, ...way })
  const field = headerAlias ?? 'X-RingRift-Auth'
  return {
    'in a field of its own': put(
      { header: field },
      headerAlias ? { fields: { secret: field } } : { loses: ['secret'] },
    ),
    'in the query': put({ query: 'access_token' }, { shut: inQuery, shutFor: ['secret'] }),
    'in a cookie': put({ cookie: 'access_token' }, { loses: ['secret'] }),
    ...(json !== undefined && {
      'in the JSON': put({ json: 'access_token' }, { loses: ['secret'] }),
      'in a form': put({ form: 'access_token' }, { shut: inQuery, shutFor: ['secret'] }),
    }),
  }
}

export function verificationOf(settings: Settings): Record<string, ActionVerification> {
  const entries = Object.entries(asked).map(([name, one]): [string, ActionVerification] => [
    name,
    {
      ...{ takes: [['bearer-secret']], checks: checksOf(settings, one), fields: { secret: 'Authorization' } },
      ...(settings.proxies.length > 0 && { behind: { credential_missing: 'credential_missing_via_proxy' } }),
      ways: waysOf(settings, one.action),
    },
  ])
  return Object.fromEntries(entries)
}
