import { guard } from '../../shared/guard.ts'
import type { Membership } from '../cluster/membership.ts'

/** What a message of another node says of itself. */
export interface MemberContext {
  readonly own: Pick<Membership, 'cluster' | 'hash' | 'self' | 'voters'>
  readonly cluster: string
  readonly membership: string
  /** Who must be a voter, and with it this node: for what only voters do. */
  readonly candidate?: string
}

/** Two lists make two majorities: who has another one has no part in this cluster. */
export const bearerMember = guard<MemberContext>(
  'bearer.member',
  ['membership_mismatch', 'not_a_voter'],
  ({ own, cluster, membership, candidate }) => {
    if (cluster !== own.cluster || membership !== own.hash) return { reason: 'membership_mismatch', status: 409 }
    if (candidate === undefined) return undefined
    const areVoters = own.self.voter && own.voters.includes(candidate)
    return areVoters ? undefined : { reason: 'not_a_voter', status: 403 }
  },
)
