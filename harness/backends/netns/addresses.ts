import { HoldfastError } from '../../errors.ts'
import { type Addresses, networksOf } from '../../topology/networks.ts'
import type { Plan } from '../../topology/plan.ts'

const FIRST = 77
/** So that the second number of an address is one. */
const MOST_NETWORKS = 255 - FIRST
/** Those of nobody come behind: `10.x.255.y`. */
const MOST_NODES = 255 * 256 - 1
const MOST_STRANGERS = 254

/** A network of a run: a bridge of its name, in a private range that it need not share with anybody. */
export interface Network {
  readonly name: string
  readonly bridge: string
  /** As `10.77.0.0/16`. */
  readonly range: string
  /** Of nobody, as a range of its own in it. */
  readonly strangers: string
}

/** An interface of a node. */
export interface Link {
  readonly node: string
  readonly network: Network
  /** On the node. */
  readonly name: string
  /** On the switch. */
  readonly port: string
  readonly address: string
  /** Hardware address of it. */
  readonly hardware: string
}

/** One way between two nodes in a network that both are in. */
export type Way = readonly [from: Link, to: Link]

/** What tells a way from all others of its run. */
export function wayKey([from, to]: Way): string {
  return `${from.port} ${to.port}`
}

/** The run has more than its namespaces are laid out for. Code `HOLDFAST_TOO_MANY_LINKS`. */
export class TooManyLinks extends HoldfastError {
  constructor(what: string, { most, asked }: { most: number; asked: number }) {
    super(
      'HOLDFAST_TOO_MANY_LINKS',
      `the netns backend has ${most} ${what} at most, and ${asked} are asked for; ask for fewer`,
    )
  }
}

/** The networks of a plan, in the order in which its nodes name them. */
export function networksIn({ nodes }: Pick<Plan, 'nodes'>): Network[] {
  const names = [...new Set(Object.values(nodes).flatMap((node) => networksOf(node)))]
  if (names.length > MOST_NETWORKS) throw new TooManyLinks('networks', { most: MOST_NETWORKS, asked: names.length })
  return names.map((name, at) => {
    const start = `10.${FIRST + at}`
    return { name, bridge: `net${at}`, range: `${start}.0.0/16`, strangers: `${start}.255.0/24` }
  })
}

/** One for each node and network that it is in. */
export function linksIn({ nodes }: Pick<Plan, 'nodes'>, networks: readonly Network[]): Link[] {
  const links: Link[] = []
  const taken = new Map<Network, number>()
  for (const node of Object.values(nodes)) {
    for (const [at, name] of networksOf(node).entries()) {
      const network = networks.find((one) => one.name === name)!
      const host = (taken.get(network) ?? 0) + 1
      if (host > MOST_NODES) throw new TooManyLinks('nodes in a network', { most: MOST_NODES, asked: host })
      taken.set(network, host)
      const address = network.range.replace('.0.0/16', `.${host >> 8}.${host & 255}`)
      const hardware = hardwareAddressOf('link', links.length)
      links.push({ node: node.name, network, name: `eth${at}`, port: `port${links.length}`, address, hardware })
    }
  }
  return links
}

/** A hardware address that is locally administered: of a link, or of what stands for a way between two. */
export function hardwareAddressOf(what: 'link' | 'way', at: number): string {
  const bytes = [2, 0, what === 'link' ? 1 : 2, at >> 16, (at >> 8) & 255, at & 255]
  return bytes.map((byte) => byte.toString(16).padStart(2, '0')).join(':')
}

/** By node and network. */
export function addressesOf(links: readonly Link[]): Addresses {
  const byNode = Map.groupBy(links, ({ node }) => node)
  const own = (some: Link[]) => Object.fromEntries(some.map(({ network, address }) => [network.name, address]))
  return Object.fromEntries([...byNode].map(([node, some]) => [node, own(some)]))
}

/** So many addresses of a network that are no node's. */
export function strangersIn({ strangers }: Network, count: number): string[] {
  if (count > MOST_STRANGERS) {
    throw new TooManyLinks('addresses of nobody', { most: MOST_STRANGERS, asked: count })
  }
  return Array.from({ length: count }, (_, at) => strangers.replace('.0/24', `.${at + 1}`))
}
