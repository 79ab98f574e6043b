import { FUZZED, type FuzzGround, PEER } from './ground.ts'
import { type Draft, draft } from './requests.ts'

/** A request in good order, where it goes and as whom. What is fuzzed begins as one of these. */
export interface Seed {
  readonly at: ListenerName
  readonly as: 'node' | 'peer' | 'operator' | 'nobody'
  readonly method: string
  readonly target: string
  readonly json?: unknown
  readonly form?: Readonly<Record<string, string>>
  /** Carries the token of the caller. */
  readonly bearer?: true
}

export const LISTENERS = {
  public: { node: 'auth', port: 8443 },
  mtls: { node: 'auth', port: 8444 },
  operator: { node: 'auth', port: 8445 },
  peering: { node: FUZZED, port: 9443 },
  local: { node: FUZZED, port: 9444 },
} as const
export type ListenerName = keyof typeof LISTENERS

const node = 'https://node-c.somebiz.local.io'
const grant = {
  resource: node,
  aud: [node],
  use: 'node',
  scopes: ['node:read'],
  trustedDomains: ['c.test'],
  maxTtlSeconds: 600,
}
const registration = {
  client_id: 'fuzz',
  method: 'tls_client_auth',
  sanDns: 'fuzz.somebiz.local.io',
  trustDomain: 'somebiz',
  grants: [grant],
  introspects: [node],
}
/** Refused even where it is well-formed, so that no node is made to dial somewhere. */
const peer = {
  name: 'fuzz',
  endpoint: 'wss://fuzz.somebiz.local.io:9443',
  domains: ['fuzz.test'],
  trustDomain: 'nowhere',
  enabled: false,
}
const x5t = 'A'.repeat(43)

/** Requests with a body that is to be broken inside. None of them does harm to the credentials of the run, however it is broken. */
export const BODY_SEEDS: readonly Seed[] = [
  { at: 'operator', as: 'operator', method: 'PUT', target: '/operator/v1/clients/fuzz', json: registration },
  {
    at: 'operator',
    as: 'operator',
    method: 'POST',
    target: '/operator/v1/tokens',
    json: { clientId: PEER, resource: node, scope: ['node:read'], expiresIn: 60, 'x5t#S256': x5t },
  },
  { at: 'operator', as: 'operator', method: 'POST', target: '/operator/v1/tokens/revoke', json: { jti: 'nothing' } },
  { at: 'operator', as: 'operator', method: 'POST', target: '/operator/v1/tokens/revoke', json: { san: 'fuzz.test' } },
  { at: 'operator', as: 'operator', method: 'POST', target: '/operator/v1/tokens/revoke', json: { x5t } },
  {
    at: 'operator',
    as: 'operator',
    method: 'POST',
    target: '/operator/v1/keys/rotate',
    json: { mode: 'never', graceSeconds: 300, alg: 'ES256' },
  },
  { at: 'mtls', as: 'peer', method: 'PUT', target: '/holders/self', json: { client_id: PEER } },
  {
    at: 'mtls',
    as: 'peer',
    method: 'POST',
    target: '/token',
    form: { grant_type: 'client_credentials', client_id: PEER, scope: 'node:read', resource: node },
  },
  { at: 'mtls', as: 'peer', method: 'POST', target: '/token/introspection', form: { client_id: PEER, token: 'a.b.c' } },
  { at: 'mtls', as: 'peer', method: 'POST', target: '/token/revocation', form: { client_id: PEER, token: 'a.b.c' } },
  { at: 'public', as: 'nobody', method: 'POST', target: '/token', form: { grant_type: 'client_credentials' } },
  { at: 'local', as: 'operator', method: 'POST', target: '/v1/peers', json: peer },
  { at: 'local', as: 'operator', method: 'PATCH', target: '/v1/peers/fuzz', json: { domains: ['fuzz.test'] } },
  {
    at: 'local',
    as: 'operator',
    method: 'PUT',
    target: '/v1/routes/fuzz.test/one',
    json: { protocol: 'http', endpoint: 'https://fuzz.test/' },
  },
]

/** Requests without a body; together with those above they reach every path of every listener. */
export const BARE_SEEDS: readonly Seed[] = [
  { at: 'public', as: 'nobody', method: 'GET', target: '/jwks' },
  { at: 'public', as: 'nobody', method: 'GET', target: '/.well-known/oauth-authorization-server' },
  { at: 'operator', as: 'operator', method: 'GET', target: '/operator/v1/tokens?limit=2' },
  { at: 'operator', as: 'operator', method: 'GET', target: '/operator/v1/clients' },
  { at: 'operator', as: 'operator', method: 'GET', target: '/operator/v1/holders?client=node-c' },
  { at: 'operator', as: 'operator', method: 'GET', target: '/operator/v1/keys' },
  { at: 'operator', as: 'operator', method: 'DELETE', target: '/operator/v1/clients/fuzz' },
  { at: 'operator', as: 'operator', method: 'GET', target: '/readyz' },
  { at: 'local', as: 'operator', method: 'GET', target: '/v1/state' },
  { at: 'local', as: 'operator', method: 'GET', target: '/v1/peers?limit=2' },
  { at: 'local', as: 'operator', method: 'GET', target: '/v1/routes?limit=2&domain=b.test' },
  { at: 'local', as: 'operator', method: 'DELETE', target: '/v1/routes/fuzz.test/one' },
  { at: 'local', as: 'operator', method: 'DELETE', target: '/v1/peers/fuzz' },
  { at: 'local', as: 'node', method: 'GET', target: '/v1/state', bearer: true },
  { at: 'local', as: 'node', method: 'GET', target: '/readyz' },
  { at: 'peering', as: 'peer', method: 'GET', target: '/v1/peering', bearer: true },
]

/** The request of a seed, or the same with another body in its place. */
export function requestOf(ground: FuzzGround, seed: Seed, body?: string): Draft {
  const { node: at, port } = LISTENERS[seed.at]
  const made = draft(`${ground.site.node(at).host}:${port}`, seed.method, seed.target, bodyOf(seed, body))
  if (seed.bearer) made.headers.push(['Authorization', `Bearer ${ground[seed.as === 'node' ? 'node' : 'peer'].token}`])
  if (seed.at === 'peering') made.headers.push(...UPGRADE)
  return made
}

export const UPGRADE = [
  ['Connection', 'Upgrade'],
  ['Upgrade', 'websocket'],
  ['Sec-WebSocket-Version', '13'],
  ['Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZQ=='],
  ['Sec-WebSocket-Protocol', 'holdfast-peering.v1'],
] as const

function bodyOf({ json, form }: Seed, body: string | undefined): { type: string; text: string } | undefined {
  if (form !== undefined) {
    return { type: 'application/x-www-form-urlencoded', text: body ?? new URLSearchParams(form).toString() }
  }
  return json === undefined ? undefined : { type: 'application/json', text: body ?? JSON.stringify(json) }
}
