/**
 * How a unit judges its callers, as data: what it trusts, and its checks in the order in which it makes them. A kind that declares it
 * lets the harness derive what must be refused, and for which reason, without starting anything.
 */
export interface ActionVerification {
  /** `none`: the certificate alone authorises, and no token is sent. Default: `bearer`. */
  carrier?: 'bearer' | 'none'
  /** Trust domains whose root the action's listener trusts: client certificates of no other one pass its TLS. */
  anchors: string[]
  /** DNS SANs of certificates that are enough by themselves: once TLS is passed, no token is looked at. */
  operators: string[]
  /** The only `iss` that is believed. */
  issuer: string
  /** Any one of these in `aud` is enough. */
  audiences: string[]
  /** What the token's `scope` must hold. */
  scope: string
  /** Name of the node, as a token's list of nodes spells it. */
  node: string
  /** Whom a token may speak for, by its `sub`; with the name, and the trust domain, that the certificate must have then. */
  callers: Record<string, { san: string; domain?: string; enabled: boolean }>
  /** How long it may go on with an old key set once it was shown a token of a new key. Default 12 000. */
  learnsKeysWithinMs?: number
  /** How far the times of a token may be off, in s. Absent: not known. */
  clockSkewSeconds?: number
  /** The first check that does not pass decides. */
  order: VerificationCheck[]
  /**
   * Ids of all guards of the action in the order in which they judge, those of `order` among them. Records are then held to it: a
   * refusal names the token once it was proven and not before, and nobody asks the issuer about a token that is refused without.
   */
  guards?: string[]
}

export interface VerificationCheck {
  check: CheckName
  /** Id of the guard that makes the check, and the reason that it writes down. */
  guard: string
  reason: string
  layer: 'tls' | 'http'
  /** What the caller gets; null where the connection simply ends, or where there is no error code. */
  status: number | null
  error: string | null
  /** Statuses that will do instead: what servers answer that judge a certificate in HTTP, say. */
  orStatuses?: readonly number[]
}

export type CheckName =
  /** A client certificate was presented, it leads to one of `anchors`, it has not ended. */
  | 'certificate-presented'
  | 'certificate-trusted'
  | 'certificate-not-expired'
  /** Nobody but an operator gets further, be it without a token, or with one that is no credential there. */
  | 'operator-bare'
  | 'operator-bearing'
  | 'token-presented'
  /** `iss` is the issuer that is believed, its key set holds the `kid`, the signature is right. */
  | 'token-issuer'
  | 'token-key'
  | 'token-signature'
  | 'token-not-expired'
  | 'token-begun'
  | 'token-audience'
  /** The token is bound at all, and to the certificate of this connection. */
  | 'token-bound'
  | 'token-binding'
  /** `sub` is one of `callers`, the certificate has its name, and comes from its trust domain; it is not switched off. */
  | 'caller-known'
  | 'caller-name'
  | 'caller-anchor'
  | 'caller-enabled'
  | 'token-scope'
  | 'token-node'
  /** The issuer, asked now, says that it minted the token and has not ended it. */
  | 'token-active'
