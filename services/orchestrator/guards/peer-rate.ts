import { guard } from '../../shared/guard.ts'
import type { UpgradeContext } from '../call-context.ts'

/** Callers that were refused too often, and too many upgrades at once. */
export const peerRate = guard<UpgradeContext>('peer.rate', ['rate_limited'], (context) => {
  const { rate, connection, upgradesOpen, mostUpgrades } = context
  const wait =
    rate.blockedFor({ thumbprint: context.thumbprint, address: connection.socket.remoteAddress ?? '' }) ??
    (upgradesOpen > mostUpgrades ? 1 : undefined)
  return wait === undefined
    ? undefined
    : { reason: 'rate_limited', status: 429, error: 'rate_limited', retryAfter: wait }
})
