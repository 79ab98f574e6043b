import { guard } from '../../shared/guard.ts'
import type { Purpose } from '../enrolment/token.ts'
import { refused } from '../wire/errors.ts'
import { type GrantStatus, statusAt } from './grant.ts'
import type { InboundPeerStatus } from './peers.ts'

/** A stored enrolment token. */
export interface StoredToken {
  readonly purpose: Purpose
  readonly usedAt: Date | null
  readonly expiresAt: Date
}

export type TokenState = 'fresh' | 'used' | 'expired'

/** A token that was used stays used, also when its time is over. `now`: milliseconds since 1970. */
export function tokenStateAt({ usedAt, expiresAt }: StoredToken, now: number): TokenState {
  if (usedAt !== null) return 'used'
  return now < expiresAt.getTime() ? 'fresh' : 'expired'
}

/** What an enrolment finds in the database. Nothing of it is kept for another request. */
export interface EnrolmentAttempt {
  /** Undefined: nobody knows such a token. */
  readonly token: StoredToken | undefined
  readonly grant: { readonly status: GrantStatus; readonly expiresAt: Date | null }
  readonly peer: { readonly status: InboundPeerStatus }
  readonly now: number
}

export const enrTokenKnown = guard<EnrolmentAttempt>('enr.token-known', ['token_unknown'], ({ token }) =>
  token === undefined ? refused('not_found', 'token_unknown') : undefined,
)

/** Also what a claim answers that somebody else was quicker with. */
export const TOKEN_USED = refused('gone', 'token_used')

export const enrTokenUnused = guard<EnrolmentAttempt>('enr.token-unused', ['token_used'], ({ token, now }) =>
  token !== undefined && tokenStateAt(token, now) === 'used' ? TOKEN_USED : undefined,
)

export const enrTokenFresh = guard<EnrolmentAttempt>('enr.token-fresh', ['token_expired'], ({ token, now }) =>
  token !== undefined && tokenStateAt(token, now) === 'expired' ? refused('gone', 'token_expired') : undefined,
)

export const enrGrant = guard<EnrolmentAttempt>(
  'enr.grant',
  ['token_grant_ended', 'grant_already_active', 'grant_not_active'],
  ({ token, grant, now }) => {
    const status = statusAt(grant, now)
    if (status === 'revoked' || status === 'expired') return refused('gone', 'token_grant_ended')
    if (token?.purpose === 're-enrolment') {
      return status === 'active' ? undefined : refused('conflict', 'grant_not_active')
    }
    return status === 'pending' ? undefined : refused('conflict', 'grant_already_active')
  },
)

export const enrPeer = guard<EnrolmentAttempt>('enr.peer', ['enrolment_peer_revoked'], ({ peer }) =>
  peer.status === 'revoked' ? refused('conflict', 'enrolment_peer_revoked') : undefined,
)
