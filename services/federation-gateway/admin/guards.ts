import { guard } from '../../shared/guard.ts'
import { isUsable, type OutboundPeerStatus } from '../states/peers.ts'
import { refused } from '../wire/errors.ts'

// Guards of what administrators do, beside those that stand with what they judge: adm.scope, adm.transition, adm.url, adm.peer-cert.
// Order: adm.grant-parties, adm.scope, adm.expiry, adm.transition, adm.peer-unique, adm.user-unique, adm.token-peer, adm.url,
// adm.peer-cert, adm.peer-renew. Whether a thing is of the caller's tenant comes before all of them.

/** For whom a grant is to be made. All of one tenant, or they would not have come this far. */
export interface GrantParties {
  readonly peer: { readonly direction: 'inbound' | 'outbound'; readonly state: OutboundPeerStatus }
  readonly subject: { readonly isDisabled: boolean }
}

export const admGrantParties = guard<GrantParties>(
  'adm.grant-parties',
  ['peer_not_inbound', 'peer_ended', 'subject_not_enabled'],
  ({ peer, subject }) => {
    if (peer.direction !== 'inbound') return refused('conflict', 'peer_not_inbound')
    if (peer.state === 'revoked') return refused('conflict', 'peer_ended')
    return subject.isDisabled ? refused('conflict', 'subject_not_enabled') : undefined
  },
)

/** `expiresAt`, `now`: milliseconds since 1970. */
export const admExpiry = guard<{ expiresAt: number | undefined; now: number }>(
  'adm.expiry',
  ['expiry_invalid'],
  ({ expiresAt, now }) =>
    expiresAt !== undefined && expiresAt <= now ? refused('invalid_scope', 'expiry_invalid') : undefined,
)

/** Judged by what the database took: of two that ask at once, one is the first. */
export const admPeerUnique = guard<{ isTaken: boolean }>('adm.peer-unique', ['peer_exists'], ({ isTaken }) =>
  isTaken ? refused('conflict', 'peer_exists') : undefined,
)

export const admUserUnique = guard<{ isTaken: boolean }>('adm.user-unique', ['user_exists'], ({ isTaken }) =>
  isTaken ? refused('conflict', 'user_exists') : undefined,
)

/** A token is for the peer of its grant: who names another one is mistaken about one of the two. */
export const admTokenPeer = guard<{ named: string | undefined; peerId: string }>(
  'adm.token-peer',
  ['token_peer_mismatch'],
  ({ named, peerId }) =>
    named !== undefined && named !== peerId ? refused('peer_mismatch', 'token_peer_mismatch') : undefined,
)

/** A renewal that somebody asks for. */
export interface WantedRenewal {
  readonly peer: GrantParties['peer']
  readonly renew: () => Promise<{ readonly failure?: string }>
}

const RETRY_AFTER_SECONDS = 5

export const admPeerRenew = guard<WantedRenewal>(
  'adm.peer-renew',
  ['peer_not_renewable', 'renewal_failed'],
  async ({ peer, renew }) => {
    if (peer.direction !== 'outbound' || !isUsable(peer.state)) return refused('conflict', 'peer_not_renewable')
    const { failure } = await renew()
    return failure === undefined ? undefined : refused('peer_unavailable', 'renewal_failed', RETRY_AFTER_SECONDS)
  },
)
