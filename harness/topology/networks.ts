import type { Plan, PlanNode } from './plan.ts'

/** Of a topology that declares none: all of its nodes are in it. */
const ONLY = 'default'

/** Addresses by node and network. */
export type Addresses = Readonly<Record<string, Readonly<Record<string, string>>>>

type Networked = Pick<PlanNode, 'networks'>
type Nodes = Readonly<Record<string, Networked>>

/** The networks that a node is in, home first. */
export function networksOf({ networks = [ONLY] }: Networked): readonly string[] {
  return networks
}

/** Where a node is, if nothing else is said. */
export function homeOf(node: Networked): string {
  return networksOf(node)[0]!
}

/** The network of its node in which a unit is, or a listener of one. */
export function networkOf(node: Networked, { network }: { network?: string | undefined }): string {
  return network ?? homeOf(node)
}

/** The network in which a node finds another one by its name: the first of its own that both are in, of itself its home. */
export function sharedNetwork(from: Networked, to: Networked): string | undefined {
  return networksOf(from).find((network) => networksOf(to).includes(network))
}

/** The address of a node in a network; without one, where `from` finds it. Undefined for what is not there, or out of its reach. */
export function addressSeen(
  addresses: Addresses,
  nodes: Nodes,
  { from, to = from, network }: { from: string; to?: string | undefined; network?: string | undefined },
): string | undefined {
  const [here, there] = [from, to].map((name) => (Object.hasOwn(nodes, name) ? nodes[name] : undefined))
  const where = network ?? (here && there && sharedNetwork(here, there))
  const known = Object.hasOwn(addresses, to) ? addresses[to]! : {}
  return where !== undefined && Object.hasOwn(known, where) ? known[where] : undefined
}

/** The hosts that a node finds by their names, and where. */
export function hostsSeen({ nodes }: Pick<Plan, 'nodes'>, addresses: Addresses, from: string): Record<string, string> {
  const seen = Object.values(nodes).flatMap(({ name, host }) => {
    const address = addressSeen(addresses, nodes, { from, to: name })
    return address === undefined ? [] : [[host, address] as const]
  })
  return Object.fromEntries(seen)
}
