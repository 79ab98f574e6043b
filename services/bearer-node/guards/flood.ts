import { guard } from '../../shared/guard.ts'
import type { FailureLimit } from '../listener/flood.ts'

/** Asked after a failure, and never before: who has the token waits for nobody. */
export const bearerFlood = guard<{ failures: FailureLimit; address: string }>(
  'bearer.flood',
  ['failures_limited'],
  ({ failures, address }) =>
    failures.count(address)
      ? undefined
      : { reason: 'failures_limited', status: 429, error: 'too_many_requests', retryAfter: 1 },
)
