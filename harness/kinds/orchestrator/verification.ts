import type { ActionVerification, CheckName, VerificationCheck } from '../../topology/verification.ts'
import { tlsChecks } from '../tls-checks.ts'

export type ValidationMode = 'jwks' | 'introspection' | 'both'

type Trust = Pick<ActionVerification, 'anchors' | 'operators' | 'audiences' | 'callers'>

export interface OrchestratorTrust {
  node: string
  issuer: string
  mode: ValidationMode
  clockSkewSeconds: number
  peering: Trust
  local: Trust
}

/** How an orchestrator judges the callers of each action. */
export function verificationOf({ mode, peering, local, ...common }: OrchestratorTrust) {
  const connect = {
    ...{ ...peering, ...common, scope: 'peer:connect', order: order(mode, PEER) },
    guards: guards(mode, ['peer.upgrade', 'peer.rate'], ['peer.identity'], ['peer.admit']),
  }
  const own = (scope: string) => ({
    ...{ ...local, ...common, scope, order: order(mode, SELF) },
    guards: guards(mode, ['local.host'], ['local.caller'], LOCAL_CALL),
  })
  return {
    'peering:connect': connect,
    'node:read': own('node:read'),
    'node:routes': own('node:routes'),
  } satisfies Record<string, ActionVerification>
}

const atHttp = (
  check: CheckName,
  guard: string,
  reason: string,
  status = 401,
  error: string | null = 'invalid_token',
): VerificationCheck => ({ check, guard, reason, layer: 'http', status, error })

const SIGNATURE = [
  atHttp('token-key', 'token.signature', 'kid_unknown'),
  atHttp('token-signature', 'token.signature', 'signature_invalid'),
]
const ACTIVE = [atHttp('token-active', 'token.active', 'token_inactive')]

const PEER = [
  atHttp('caller-known', 'peer.identity', 'peer_unknown'),
  atHttp('caller-name', 'peer.identity', 'san_mismatch'),
  atHttp('caller-anchor', 'peer.identity', 'anchor_mismatch'),
]
const ADMIT = [atHttp('caller-enabled', 'peer.admit', 'peer_disabled', 403, 'forbidden')]
const SELF = [
  atHttp('caller-known', 'local.caller', 'not_operator', 403, 'insufficient_scope'),
  atHttp('caller-name', 'local.caller', 'not_operator', 403, 'insufficient_scope'),
]

/** Local checks come first, so that a token that can be refused without a call causes no call. */
function order(mode: ValidationMode, identity: readonly VerificationCheck[]): VerificationCheck[] {
  return [
    ...tlsChecks('peer.tls'),
    atHttp('token-presented', 'peer.carrier', 'token_missing', 401, null),
    atHttp('token-issuer', 'token.issuer', 'issuer_untrusted'),
    ...(mode === 'introspection' ? ACTIVE : SIGNATURE),
    atHttp('token-not-expired', 'token.time', 'token_expired'),
    atHttp('token-begun', 'token.time', 'token_not_yet_valid'),
    atHttp('token-audience', 'token.audience', 'audience_mismatch'),
    atHttp('token-bound', 'token.binding', 'cnf_missing'),
    atHttp('token-binding', 'token.binding', 'cnf_x5t_mismatch'),
    ...identity,
    atHttp('token-scope', 'token.scope', 'scope_insufficient', 403, 'insufficient_scope'),
    atHttp('token-node', 'token.scope', 'node_not_trusted', 403, 'insufficient_scope'),
    ...(mode === 'both' ? ACTIVE : []),
    ...(identity === PEER ? ADMIT : []),
  ]
}

/** What is judged of a call of the local API once its caller was let in. */
const LOCAL_CALL = ['local.route', 'local.query', 'local.body', 'local.object', 'local.peer', 'local.storage']

/** Every guard on the way of a call: `first` sees no token yet, `identity` and `last` see one that is proven. */
function guards(mode: ValidationMode, first: string[], identity: string[], last: string[]): string[] {
  return [
    ...['tls.handshake', 'peer.tls', 'http.form', ...first, 'peer.carrier', 'token.form', 'token.issuer'],
    mode === 'introspection' ? 'token.active' : 'token.signature',
    ...['token.claims', 'token.time', 'token.audience', 'token.binding', ...identity, 'token.scope'],
    ...(mode === 'both' ? ['token.active'] : []),
    ...last,
  ]
}
