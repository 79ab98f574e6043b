import type { ActionVerification, PlannedCheck } from '../../topology/verification.ts'
import { tlsChecks } from '../tls-checks.ts'
import { type HttpAnswer, tokenCheck, tokenChecks } from '../token-checks.ts'

export type ValidationMode = 'jwks' | 'introspection' | 'both'

/** What a listener trusts: trust domains whose root it has, and audiences any one of which is enough. */
interface Listener {
  anchors: readonly string[]
  audiences: readonly string[]
}

export interface OrchestratorTrust {
  node: string
  host: string
  issuer: string
  mode: ValidationMode
  clockSkewSeconds: number
  /** Whom a token may speak for by its `sub`, and what the certificate must be of then. */
  peering: Listener & { peers: readonly { name: string; san: string; domain: string; enabled: boolean }[] }
  /** `operators`: DNS SANs of certificates that are enough by themselves. */
  local: Listener & { operators: readonly string[] }
}

const takes = [['certificate', 'bound-token']]

/** How an orchestrator judges the callers of each action. */
export function verificationOf(trust: OrchestratorTrust) {
  const { mode, peering, local } = trust
  const disabled = peering.peers.filter(({ enabled }) => !enabled).map(({ name }) => name)
  const connect: ActionVerification = {
    takes,
    checks: [
      ...tlsChecks('peer.tls', peering.anchors),
      ...ofToken(trust, peering, 'peer:connect', ofPeer(trust)),
      ofCaller('enabled', { disabled }, 'peer.admit', 'peer_disabled', { status: 403, error: 'forbidden' }),
    ],
    guards: guards(mode, ['peer.upgrade', 'peer.rate'], ['peer.identity'], ['peer.admit']),
  }
  const own = (scope: string): ActionVerification => ({
    takes,
    checks: [
      ...tlsChecks('peer.tls', local.anchors),
      { check: 'certificate/named', args: { sans: local.operators }, settles: true },
      ...ofToken(trust, local, scope, ofSelf(trust)),
    ],
    guards: guards(mode, ['local.host'], ['local.caller'], LOCAL_CALL),
  })
  return {
    'peering:connect': connect,
    'node:read': own('node:read'),
    'node:routes': own('node:routes'),
  } satisfies Record<string, ActionVerification>
}

const bad: HttpAnswer = { status: 401, error: 'invalid_token' }
const insufficient: HttpAnswer = { status: 403, error: 'insufficient_scope' }

/** Local checks come first, so that a token that can be refused without a call causes no call. */
function ofToken(
  { node, issuer, mode, clockSkewSeconds: skewSeconds }: OrchestratorTrust,
  { audiences }: Listener,
  scope: string,
  caller: readonly PlannedCheck[],
): PlannedCheck[] {
  const carrier = { guard: 'peer.carrier', reason: 'token_missing', layer: 'http', status: 401, error: null } as const
  const proof = mode === 'introspection' ? (['active'] as const) : (['key', 'signature'] as const)
  return [
    { check: 'bound-token/presented', ...carrier },
    ...tokenChecks({ issuer, audiences }, { proof, time: { skewSeconds } }, bad),
    ...caller,
    tokenCheck('scope', insufficient, { scope }),
    tokenCheck('node', insufficient, { node }),
    ...(mode === 'both' ? [tokenCheck('active', bad)] : []),
  ]
}

function ofCaller(name: string, args: PlannedCheck['args'], guard: string, reason: string, answer: HttpAnswer) {
  return { check: `bound-token/caller-${name}`, args, guard, reason, layer: 'http', ...answer } as const
}

function ofPeer({ peering: { peers } }: OrchestratorTrust): PlannedCheck[] {
  const sans = Object.fromEntries(peers.map(({ name, san }) => [name, san]))
  const domains = Object.fromEntries(peers.map(({ name, domain }) => [name, domain]))
  return [
    ofCaller('known', { subjects: Object.keys(sans) }, 'peer.identity', 'peer_unknown', bad),
    ofCaller('name', { sans }, 'peer.identity', 'san_mismatch', bad),
    ofCaller('domain', { domains }, 'peer.identity', 'anchor_mismatch', bad),
  ]
}

function ofSelf({ node, host }: OrchestratorTrust): PlannedCheck[] {
  return [
    ofCaller('known', { subjects: [node] }, 'local.caller', 'not_operator', insufficient),
    ofCaller('name', { sans: { [node]: host } }, 'local.caller', 'not_operator', insufficient),
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
