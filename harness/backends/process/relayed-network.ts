import { type Addresses, networkOf } from '../../topology/networks.ts'
import type { Plan, PlanNode } from '../../topology/plan.ts'
import type { Grounds } from '../launch.ts'
import { openRelay, type Relay } from './relay.ts'

/**
 * Opens a relay for each listener of each node, at another address than the node's own: nodes that look it up there can be cut off from
 * each other. They are told by the address that they call from. Whoever takes a node's own address instead of its name goes past the
 * relays, as tests do from their seats.
 */
export async function relayedNetwork(
  { nodes }: Plan,
  own: Addresses,
  relayed: Addresses,
): Promise<NonNullable<Grounds['network']> & AsyncDisposable> {
  await using taken = new AsyncDisposableStack()
  const relays: { to: string; relay: Relay }[] = []
  for (const node of Object.values(nodes)) {
    const to = node.name
    for (const [network, port] of placesOf(node)) {
      const relay = await openRelay({ address: relayed[to]![network]!, port }, own[to]![network]!)
      relays.push({ to, relay: taken.use(relay) })
    }
  }
  const held = taken.move()
  return {
    async cut(a, b) {
      const cutOff = (to: string, from: string) => {
        const addresses = Object.values(own[from]!)
        for (const { relay } of relays.filter((one) => one.to === to))
          for (const address of addresses) relay.cut(address)
      }
      cutOff(a, b)
      cutOff(b, a)
    },
    async heal() {
      for (const { relay } of relays) relay.heal()
    },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  }
}

/** Where a node listens: network and port, each once. */
function placesOf(node: PlanNode): readonly (readonly [network: string, port: number])[] {
  const listeners = node.units.flatMap(({ service }) => service?.listeners ?? [])
  const places = listeners.flatMap((listener) =>
    listener.address === undefined ? [[networkOf(node, listener), listener.port] as const] : [],
  )
  return [...new Map(places.map((place) => [place.join(' '), place])).values()]
}
