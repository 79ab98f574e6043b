import type { Plan } from '../../topology/plan.ts'
import type { Grounds } from '../launch.ts'
import { openRelay, type Relay } from './relay.ts'

/**
 * Opens a relay for each listener of each node, at another address than the node's own: nodes that look it up there can be cut off from
 * each other. They are told by the address that they call from. Whoever takes a node's own address instead of its name goes past the
 * relays, as tests do from their seats.
 */
export async function relayedNetwork(
  { nodes }: Plan,
  own: Readonly<Record<string, string>>,
  relayed: Readonly<Record<string, string>>,
): Promise<NonNullable<Grounds['network']> & AsyncDisposable> {
  await using taken = new AsyncDisposableStack()
  const relays: { to: string; relay: Relay }[] = []
  for (const { name: to, units } of Object.values(nodes)) {
    const listeners = units.flatMap(({ service }) => service?.listeners ?? [])
    const ports = new Set(listeners.filter(({ address }) => address === undefined).map(({ port }) => port))
    for (const port of ports) {
      const relay = await openRelay({ address: relayed[to] as string, port }, own[to] as string)
      relays.push({ to, relay: taken.use(relay) })
    }
  }
  const held = taken.move()
  return {
    async cut(a, b) {
      for (const { to, relay } of relays) {
        if (to === a) relay.cut(own[b] as string)
        if (to === b) relay.cut(own[a] as string)
      }
    },
    async heal() {
      for (const { relay } of relays) relay.heal()
    },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  }
}
