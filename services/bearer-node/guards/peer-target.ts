import { guard } from '../../shared/guard.ts'

/** Where a call is about to go, and with it the token. */
export interface PeerTargetContext {
  /** Its URL, of the configuration. Undefined: there is no such peer. */
  readonly url: string | undefined
  /** Of a connection without TLS: whether the address that was dialled is one where plain HTTP may be spoken. */
  readonly mayBePlain?: boolean
  /** Why the certificate of the far end does not prove that it is the peer. */
  readonly certificateProblem?: string
}

/**
 * Judged before the first byte of a request: the name before a connection is made, and the address and the certificate once there is one.
 * A token only ever reaches who was configured.
 */
export const bearerPeerTarget = guard<PeerTargetContext>(
  'bearer.peer-target',
  ['peer_not_configured', 'peer_plaintext', 'peer_unverified'],
  ({ url, mayBePlain = true, certificateProblem }) => {
    if (url === undefined) return { reason: 'peer_not_configured', status: 502 }
    if (url.startsWith('http:') && !mayBePlain) return { reason: 'peer_plaintext', status: 502 }
    return certificateProblem === undefined ? undefined : { reason: 'peer_unverified', status: 502 }
  },
)
