import type { UnitContext } from '../topology/kind.ts'

/** What stands in tokens that are for a node: the node itself, or the peering audience of its trust domain. */
export function ownAudiences({ topology, domain, host }: Pick<UnitContext<unknown>, 'topology' | 'domain' | 'host'>) {
  const peering = topology.trustDomains[domain]?.peeringAudience
  return peering === undefined ? [`https://${host}`] : [`https://${host}`, peering]
}
