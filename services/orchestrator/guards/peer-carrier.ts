import { invalidRequest, nothingPresented } from '../../shared/bearer.ts'
import { guard } from '../../shared/guard.ts'
import type { CallContext } from '../call-context.ts'

/** RFC 6750 sections 2 and 3.1: one token, one way of sending it. */
export const peerCarrier = guard<CallContext>(
  'peer.carrier',
  ['token_missing', 'token_carrier_invalid'],
  ({ carrier }) => {
    if (carrier.token !== undefined) return undefined
    return carrier.problem === 'token_missing' ? nothingPresented(carrier.problem) : invalidRequest(carrier.problem)
  },
)
