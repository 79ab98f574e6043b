import type { Listener, Plan, PlanUnit } from './plan.ts'

/** Of a topology that declares none: all of its nodes are in it. */
const ONLY = 'default'

/** Addresses by node and network. */
export type Addresses = Readonly<Record<string, Readonly<Record<string, string>>>>

/** A node, planned or declared. */
type Networked = { readonly networks?: readonly string[] | undefined }
type Nodes = Readonly<Record<string, Networked>>

/** The networks that a node is in, home first. */
export function networksOf({ networks = [ONLY] }: Networked): readonly string[] {
  return networks
}

/** Where a node is, if nothing else is said. */
export function homeOf(node: Networked): string {
  return networksOf(node)[0]!
}

/** A unit, or a listener of one. */
type Placed = { readonly network?: string | undefined }

/** The network of its node in which a unit is, or a listener of one. */
export function networkOf(node: Networked, { network }: Placed): string {
  return network ?? homeOf(node)
}

/** The network in which a node finds another one by its name: the first of its own that both are in, of itself its home. */
export function sharedNetwork(from: Networked, to: Networked): string | undefined {
  return networksOf(from).find((network) => networksOf(to).includes(network))
}

/** The network in which a node calls a listener of another one, if it can: by a name alone it need not find it there. */
export function callNetwork(from: Networked, to: Networked, listener?: Placed): string | undefined {
  if (listener === undefined) return sharedNetwork(from, to)
  const network = networkOf(to, listener)
  return networksOf(from).includes(network) ? network : undefined
}

/** The listener to which a URL leads, among those of these units. */
export function listenerAt(units: readonly Pick<PlanUnit, 'service'>[], url: string): Listener | undefined {
  const { port, protocol } = new URL(url)
  const wanted = Number(port || (protocol === 'http:' ? 80 : 443))
  return units.flatMap(({ service }) => service?.listeners ?? []).find((listener) => listener.port === wanted)
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

/** Who calls a node in one of its networks: `wanted`, or where that one is not in it the first other node that is, or else the node itself. */
export function callerWithin(
  { nodes }: Pick<Plan, 'nodes'>,
  wanted: string,
  at: { node: string; network: string },
): string {
  const isIn = (name: string) => Object.hasOwn(nodes, name) && networksOf(nodes[name]!).includes(at.network)
  if (isIn(wanted)) return wanted
  return Object.keys(nodes).find((name) => name !== at.node && isIn(name)) ?? at.node
}

/** What stands in `@{address}` beside the word: a node, a network, both. */
export interface AddressName {
  to?: string | undefined
  network?: string | undefined
}

/** Of `address:NODE/NETWORK`; undefined for what is no such name. */
export function addressName(name: string): AddressName | undefined {
  const [found, to, network] = /^address(?::([^/]+))?(?:\/(.+))?$/.exec(name) ?? []
  return found === undefined ? undefined : { to, network }
}

/** With the placeholder in which it stands. */
export type PlacedAddressName = AddressName & { placeholder: string }

/** Those that a text holds. */
export function addressNamesIn(text: string): PlacedAddressName[] {
  return [...text.matchAll(/@\{(address[:/][^}]*)\}/g)].flatMap(([placeholder, name = '']) => {
    const named = addressName(name)
    return named === undefined ? [] : [{ ...named, placeholder }]
  })
}
