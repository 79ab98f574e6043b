import { invalidRequest } from '../../shared/bearer.ts'
import { guard } from '../../shared/guard.ts'
import type { Carried } from '../listener/carrier.ts'

export const bearerCarrier = guard<{ carried: Carried }>(
  'bearer.carrier',
  ['carrier_repeated', 'carrier_malformed', 'carrier_in_query'],
  ({ carried: { problem } }) => (problem === undefined ? undefined : invalidRequest(problem)),
)
