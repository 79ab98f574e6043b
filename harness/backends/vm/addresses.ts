import { randomInt } from 'node:crypto'
import { HoldfastError } from '../../errors.ts'
import { type Addresses, networksOf } from '../../topology/networks.ts'
import type { Plan } from '../../topology/plan.ts'

/** Bits of an address that say which network it is of: each has 1 022 addresses. */
export const PREFIX = 22
const MOST_NODES = 254
const MOST_STRANGERS = 510

/** A network of machines has no address left. Code `HOLDFAST_VM_FULL`. */
export class NetworkFull extends HoldfastError {
  constructor(what: string, most: number) {
    super(
      'HOLDFAST_VM_FULL',
      `a network of machines has addresses for ${most} ${what}; use fewer, or the backend process`,
    )
  }
}

/** Where the machines of a run are. Nobody else reaches its networks, so it shares its addresses with other runs where they meet by chance. */
export interface Places {
  readonly addresses: Addresses
  readonly networks: readonly string[]
  /** In a network: addresses of nobody, and the node whose machine answers for them. */
  strangers(network: string): { readonly node: string; readonly range: string; address(at: number): string }
}

/** @throws NetworkFull */
export function placesOf({ nodes }: Plan, start = randomInt(0, 64), second = randomInt(16, 251)): Places {
  const all = Object.values(nodes)
  const networks = [...new Set(all.flatMap((node) => networksOf(node)))]
  const third = (network: string) => ((start + networks.indexOf(network)) % 64) * 4
  const taken = new Map<string, number>()
  const next = (network: string) => {
    const host = (taken.get(network) ?? 0) + 1
    if (host > MOST_NODES) throw new NetworkFull('nodes', MOST_NODES)
    taken.set(network, host)
    return `10.${second}.${third(network)}.${host}`
  }
  const addressesOf = (node: (typeof all)[number]) =>
    Object.fromEntries(networksOf(node).map((one) => [one, next(one)]))
  return {
    addresses: Object.fromEntries(all.map((node) => [node.name, addressesOf(node)])),
    networks,
    strangers(network) {
      const begin = third(network) + 2
      return {
        node: all.find((node) => networksOf(node).includes(network))!.name,
        range: `10.${second}.${begin}.0/23`,
        address(at) {
          if (at >= MOST_STRANGERS) throw new NetworkFull('strangers', MOST_STRANGERS)
          return `10.${second}.${begin + Math.floor((at + 1) / 256)}.${(at + 1) % 256}`
        },
      }
    },
  }
}
