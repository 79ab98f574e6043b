import { invalidToken } from '../../shared/bearer.ts'
import { claimsOf } from '../../shared/bound-token.ts'
import { guard } from '../../shared/guard.ts'
import type { UpgradeContext } from '../call-context.ts'

/**
 * The binding proves who holds the token, not who the caller is (RFC 8705 section 6.2): the subject must be a configured peer,
 * and the certificate must carry that peer's host and come from that peer's trust domain.
 */
export const peerIdentity = guard<UpgradeContext>(
  'peer.identity',
  ['peer_unknown', 'san_mismatch', 'anchor_mismatch'],
  (context) => {
    const peer = context.peerNamed(claimsOf(context).sub)
    if (peer === undefined) return invalidToken('peer_unknown')
    const { certificate } = context.connection
    if (!certificate?.sans.includes(peer.host)) return invalidToken('san_mismatch')
    return certificate.domain === peer.trustDomain ? undefined : invalidToken('anchor_mismatch')
  },
)
