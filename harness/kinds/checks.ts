import type { CredentialKindName } from '../topology/credential-types.ts'
import type { UnitContext } from '../topology/kind.ts'
import type { PlannedCheck, Refusal } from '../topology/verification.ts'

// What service kinds that judge callers alike say of it.

/**
 * What a listener that demands a client certificate checks before any byte of HTTP, in order. `anchors`: trust domains whose root it
 * trusts.
 */
export function tlsChecks(guard: string, anchors: readonly string[]): PlannedCheck[] {
  const ends = { guard, layer: 'tls', status: null, error: null } as const
  return [
    { check: 'certificate/presented', ...ends, reason: 'cert_missing' },
    { check: 'certificate/trusted', args: { anchors }, ...ends, reason: 'cert_untrusted' },
    { check: 'certificate/not-expired', ...ends, reason: 'cert_expired' },
  ]
}

/** Guard and reason of each check of a bound token. */
const words = {
  issuer: ['token.issuer', 'issuer_untrusted'],
  key: ['token.signature', 'kid_unknown'],
  signature: ['token.signature', 'signature_invalid'],
  'not-expired': ['token.time', 'token_expired'],
  begun: ['token.time', 'token_not_yet_valid'],
  audience: ['token.audience', 'audience_mismatch'],
  bound: ['token.binding', 'cnf_missing'],
  binding: ['token.binding', 'cnf_x5t_mismatch'],
  active: ['token.active', 'token_inactive'],
  scope: ['token.scope', 'scope_insufficient'],
  node: ['token.scope', 'node_not_trusted'],
} as const

type TokenCheck = keyof typeof words
type Args = PlannedCheck['args']

/** What makes checks of one credential kind: by their name there, with guard and reason, and what the caller gets. */
export function checkOf(kind: CredentialKindName) {
  return (
    name: string,
    guard: string,
    reason: string,
    answer: Omit<Refusal, 'guard' | 'reason'>,
    args?: Args,
  ): PlannedCheck => ({ check: `${kind}/${name}`, ...(args && { args }), guard, reason, ...answer })
}

const tokenCheckOf = checkOf('bound-token')

/** What the caller gets. `layer`: where that is not HTTP. */
export type RefusedAnswer = Pick<Refusal, 'status' | 'error'> & Partial<Pick<Refusal, 'layer'>>

export function tokenCheck(name: TokenCheck, answer: RefusedAnswer, args?: Args): PlannedCheck {
  const [guard, reason] = words[name]
  return tokenCheckOf(name, guard, reason, { layer: 'http', ...answer }, args)
}

/** What everybody checks who takes bound tokens, in the order of RFC 9068 section 4 and RFC 8705 section 3. `proof`: what shows that the issuer made it. */
export function tokenChecks(
  { issuer, audiences }: { issuer: string; audiences: readonly string[] },
  { proof, key, time }: { proof: readonly TokenCheck[]; key?: Args; time?: Args },
  answer: RefusedAnswer,
): PlannedCheck[] {
  const args: Partial<Record<TokenCheck, Args>> = {
    ...{ issuer: { issuer }, audience: { audiences } },
    ...{ key, 'not-expired': time, begun: time },
  }
  const names = ['issuer', ...proof, 'not-expired', 'begun', 'audience', 'bound', 'binding'] as const
  return names.map((name) => tokenCheck(name, answer, args[name]))
}

/** What stands in tokens that are for a node: the node itself, or the peering audience of its trust domain. */
export function ownAudiences({ topology, domain, host }: UnitContext<unknown>): string[] {
  return [`https://${host}`, topology.trustDomains[domain]?.peeringAudience ?? []].flat()
}
