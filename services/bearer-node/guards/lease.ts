import { guard } from '../../shared/guard.ts'

/** What a voter has recorded. */
export interface LeaseRecord {
  readonly epoch: number
  readonly holder: string
  readonly leaseMs: number
  readonly released: boolean
}

export interface LeaseContext {
  /** Undefined: this voter has granted none. */
  readonly recorded: LeaseRecord | undefined
  /** Of the recorded lease; not above 0 once it is over. */
  readonly remainingMs: number
  readonly epoch: number
  readonly candidate: string
  readonly takeover: boolean
}

/** An epoch has one holder for all time; a lease that runs is another's only where it was handed over. */
export const bearerLease = guard<LeaseContext>(
  'bearer.lease',
  ['lease_held'],
  ({ recorded, remainingMs, epoch, candidate, takeover }) => {
    if (recorded === undefined || recorded.holder === candidate) return undefined
    const runs = !recorded.released && remainingMs > 0 && !takeover
    return epoch === recorded.epoch || runs ? { reason: 'lease_held', status: 409 } : undefined
  },
)
