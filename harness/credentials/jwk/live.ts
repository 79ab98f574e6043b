import type { JWK } from 'jose'
import { placeOf } from '../../topology/holders.ts'
import type { LiveKind } from '../live-kind.ts'
import type { LiveSite } from '../live-site.ts'
import type { Presented } from '../parts.ts'
import type { PlanJwk } from './planned.ts'

export interface JwkSummary {
  /** By which the CA finds it: the thumbprint of its public half. */
  readonly kid: string | undefined
}

/** All its holders have the same one, so a fresh one is the one that lies there. */
async function held(planned: PlanJwk, site: Pick<LiveSite, 'read'>, holder: string): Promise<Presented> {
  return { jwk: JSON.parse(await site.read(holder, placeOf(planned, holder))) as JWK }
}

export const liveJwk: LiveKind<PlanJwk, JwkSummary> = {
  part: 'jwk',
  fresh: held,
  held,
  spoil: {},
  summary: ({ jwk }) => (jwk === undefined ? undefined : { kid: jwk.kid }),
  // No target is shown it.
  proves: () => ({}),
  explanation: (summary) => (summary ? [`jwk       kid ${summary.kid ?? 'none'}`] : []),
}
