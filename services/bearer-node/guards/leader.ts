import { guard } from '../../shared/guard.ts'

export interface LeaderContext {
  /** This node leads, or knows who does. */
  readonly isKnown: boolean
  /** What was to be written is on the disks of a majority. Undefined: nothing was written yet. */
  readonly isDurable?: boolean
}

/** Nothing is promised that only a minority knows. */
export const bearerLeader = guard<LeaderContext>(
  'bearer.leader',
  ['leader_unknown', 'no_quorum'],
  ({ isKnown, isDurable = true }) => {
    if (!isKnown) return { reason: 'leader_unknown', status: 503, retryAfter: 1 }
    return isDurable ? undefined : { reason: 'no_quorum', status: 503, retryAfter: 1 }
  },
)
