import type { Endpoint } from '../../protocols/endpoint.ts'
import type { ScenarioSite } from '../../site/scenario-site.ts'
import { endpointAt } from '../../site/site-files.ts'
import { listenerOf } from '../../site/targets.ts'
import type { PlanUnit } from '../../topology/plan.ts'

/** A gateway by its letter: `a` asks, `b` lends; further ones ask, too. */
export type Letter = string

export const gatewayNode = (letter: Letter) => `gateway-${letter}`
export const databaseNode = (letter: Letter) => `db-${letter}`

/** The unit of a gateway, by the name that it has in the topology. */
export const unitName = 'gateway'

/** Where things lie on the node of a gateway. */
export const places = {
  configuration: `units/${unitName}/gateway.json`,
  decisions: `units/${unitName}/decisions.jsonl`,
  operatorToken: `units/${unitName}/operator-token`,
  sealingSecret: `units/${unitName}/sealing-secret`,
} as const

export function gatewayUnit(site: Pick<ScenarioSite, 'plan'>, letter: Letter): PlanUnit {
  const unit = site.plan.nodes[gatewayNode(letter)]?.units.find(({ name }) => name === unitName)
  if (unit !== undefined) return unit
  throw new TypeError(`topology ${site.plan.topology} has no gateway "${letter}"`)
}

/** Where a listener of a gateway is, for whoever calls it from a node. */
export async function endpointTo(
  { site }: Pick<ScenarioSite, 'site'>,
  letter: Letter,
  { listener: name, from }: { listener: 'public' | 'federation'; from: Letter },
): Promise<Endpoint> {
  const node = gatewayNode(letter)
  const listener = listenerOf(site, gatewayUnit(site, letter), node, name)
  const { host, domain } = site.plan.nodes[node]!
  return endpointAt(site, gatewayNode(from), { host, domain, listener })
}

/** Where a CA is, for whoever calls it from the node of a gateway. */
export async function endpointOfCa(
  { site }: Pick<ScenarioSite, 'site'>,
  node: string,
  { from }: { from: Letter },
): Promise<Endpoint> {
  const { host, domain, units } = site.plan.nodes[node]!
  const [listener] = units.flatMap(({ service }) => service?.listeners ?? [])
  return endpointAt(site, gatewayNode(from), { host, domain, listener: listener! })
}
