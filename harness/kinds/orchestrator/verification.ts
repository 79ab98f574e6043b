import type { ActionVerification, PlannedCheck } from '../../topology/verification.ts'
import { ownAudiences, type RefusedAnswer, tlsChecks, tokenCheck, tokenChecks } from '../checks.ts'
import { insiderOf } from '../insider-of.ts'
import type { Unit } from './index.ts'

/** One that exchanges routes. */
export type PeeringUnit = Unit & { settings: { auth: string } }

export function doesPeering(unit: Unit): unit is PeeringUnit {
  return unit.settings.auth !== undefined
}

/** How an orchestrator judges the callers of each action: what its configuration says of them, as the harness reads it. */
export function verificationOf(unit: Unit): Record<string, ActionVerification> {
  return doesPeering(unit) ? ofPeering(unit) : { 'node:read': withoutTokens(unit) }
}

/** No issuer is configured, so that a certificate alone can be enough: whoever is no operator is asked for a token, and none is good. */
function withoutTokens(unit: Unit): ActionVerification {
  const named = { check: 'certificate/named', args: { sans: operatorsOf(unit) } }
  return {
    takes: [['certificate']],
    checks: [...tlsChecks('peer.tls', [unit.domain]), { ...named, ...noToken }],
    guards: ['tls.handshake', 'peer.tls', 'http.form', 'local.host', 'peer.carrier', 'local.route', 'local.query'],
  }
}

function ofPeering(unit: PeeringUnit): Record<string, ActionVerification> {
  const { domain, host, settings } = unit
  const takes = [['certificate', 'bound-token']]
  const disabled = Object.entries(settings.peers).flatMap(([name, { enabled = true }]) => (enabled ? [] : name))
  const connect: ActionVerification = {
    takes,
    checks: [
      ...tlsChecks('peer.tls', [domain, ...foreignDomains(unit)]),
      ...ofToken(unit, ownAudiences(unit), 'peer:connect', ofPeer(unit)),
      ofCaller('enabled', { disabled }, 'peer.admit', 'peer_disabled', { status: 403, error: 'forbidden' }),
    ],
    guards: guards(unit, ['peer.upgrade', 'peer.rate'], ['peer.identity'], ['peer.admit']),
  }
  const own = (scope: string): ActionVerification => ({
    takes,
    checks: [
      ...tlsChecks('peer.tls', [domain]),
      { check: 'certificate/named', args: { sans: operatorsOf(unit) }, settles: true },
      ...ofToken(unit, [`https://${host}`], scope, ofSelf(unit)),
    ],
    guards: guards(unit, ['local.host'], ['local.caller'], LOCAL_CALL),
  })
  return { 'peering:connect': connect, 'node:read': own('node:read'), 'node:routes': own('node:routes') }
}

/** Trust domains that are trusted for peering only. */
export function foreignDomains({ settings, domain }: Unit): string[] {
  const named = Object.values(settings.peers).flatMap(({ trustDomain }) => trustDomain ?? [])
  return [...new Set(named)].filter((name) => name !== domain)
}

/**
 * DNS SANs of certificates that are enough by themselves: those that the auth server of the domain takes for operators, so that one
 * certificate serves at both.
 */
export function operatorsOf(unit: Unit): readonly string[] {
  const issuer = unit.topology.trustDomains[unit.domain]?.issuer
  return unit.settings.operators ?? insiderOf(unit, issuer, 'operator')?.sans ?? []
}

const bad: RefusedAnswer = { status: 401, error: 'invalid_token' }
const noToken = { guard: 'peer.carrier', reason: 'token_missing', layer: 'http', status: 401, error: null } as const
const insufficient: RefusedAnswer = { status: 403, error: 'insufficient_scope' }

/** Local checks come first, so that a token that can be refused without a call causes no call. `caller`: whom it may speak for. */
function ofToken(unit: PeeringUnit, audiences: readonly string[], scope: string, caller: readonly PlannedCheck[]) {
  const { auth, validation, clockSkewSeconds: skewSeconds = 30 } = unit.settings
  const issuer = unit.url(auth, 'public')
  const proof = validation === 'introspection' ? (['active'] as const) : (['key', 'signature'] as const)
  return [
    { check: 'bound-token/presented', ...noToken },
    ...tokenChecks({ issuer, audiences }, { proof, time: { skewSeconds } }, bad),
    ...caller,
    tokenCheck('scope', insufficient, { scope }),
    tokenCheck('node', insufficient, { node: unit.node }),
    ...(validation === 'both' ? [tokenCheck('active', bad)] : []),
  ]
}

function ofCaller(name: string, args: PlannedCheck['args'], guard: string, reason: string, answer: RefusedAnswer) {
  return { check: `bound-token/caller-${name}`, args, guard, reason, layer: 'http', ...answer } as const
}

function ofPeer({ settings, topology, domain }: Unit): PlannedCheck[] {
  const peers = Object.entries(settings.peers)
  const sans = Object.fromEntries(peers.map(([name]) => [name, topology.nodes[name]?.host ?? name]))
  const domains = Object.fromEntries(peers.map(([name, { trustDomain = domain }]) => [name, trustDomain]))
  return [
    ofCaller('known', { subjects: Object.keys(sans) }, 'peer.identity', 'peer_unknown', bad),
    ofCaller('name', { sans }, 'peer.identity', 'san_mismatch', bad),
    ofCaller('domain', { domains }, 'peer.identity', 'anchor_mismatch', bad),
  ]
}

function ofSelf({ node, host }: Unit): PlannedCheck[] {
  return [
    ofCaller('known', { subjects: [node] }, 'local.caller', 'not_operator', insufficient),
    ofCaller('name', { sans: { [node]: host } }, 'local.caller', 'not_operator', insufficient),
  ]
}

/** What is judged of a call of the local API once its caller was let in. */
const LOCAL_CALL = ['local.route', 'local.query', 'local.body', 'local.object', 'local.peer', 'local.storage']

/** Every guard on the way of a call: `first` sees no token yet, `identity` and `last` see one that is proven. */
function guards({ settings: { validation } }: Unit, first: string[], identity: string[], last: string[]): string[] {
  return [
    ...['tls.handshake', 'peer.tls', 'http.form', ...first, 'peer.carrier', 'token.form', 'token.issuer'],
    validation === 'introspection' ? 'token.active' : 'token.signature',
    ...['token.claims', 'token.time', 'token.audience', 'token.binding', ...identity, 'token.scope'],
    ...(validation === 'both' ? ['token.active'] : []),
    ...last,
  ]
}
