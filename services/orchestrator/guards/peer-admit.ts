import { claimsOf } from '../../shared/bound-token.ts'
import { guard } from '../../shared/guard.ts'
import type { UpgradeContext } from '../call-context.ts'

/** A proven peer may be switched off by the operator, taken away while the auth server was asked about its token, or one too many. */
export const peerAdmit = guard<UpgradeContext>('peer.admit', ['peer_disabled', 'session_limit'], (context) => {
  const { sub } = claimsOf(context)
  if (context.peerNamed(sub)?.enabled !== true) return { reason: 'peer_disabled', status: 403, error: 'forbidden' }
  context.place = context.places.take(String(sub))
  return context.place === undefined
    ? { reason: 'session_limit', status: 503, error: 'temporarily_unavailable', retryAfter: 1 }
    : undefined
})
