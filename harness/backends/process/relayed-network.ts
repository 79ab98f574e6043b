import type { Plan } from '../../topology/plan.ts'
import { openRelay, type Relay } from './relay.ts'

/** The way to each node over relays that can be cut. */
export interface RelayedNetwork extends AsyncDisposable {
  cut(a: string, b: string): Promise<void>
  heal(): Promise<void>
}

/**
 * Opens a relay for each listener of each node, at another address than the node's own: nodes that look it up there can be cut off from
 * each other. They are told by the address that they call from. Whoever takes a node's own address instead of its name goes past the
 * relays, as tests do from their seats.
 */
export async function relayedNetwork(
  { nodes }: Plan,
  own: Readonly<Record<string, string>>,
  relayed: Readonly<Record<string, string>>,
): Promise<RelayedNetwork> {
  await using taken = new AsyncDisposableStack()
  const relays = new Map<string, Relay[]>()
  for (const { name, units } of Object.values(nodes)) {
    const listeners = units.flatMap(({ service }) => service?.listeners ?? [])
    const ports = new Set(listeners.filter(({ address }) => address === undefined).map(({ port }) => port))
    const opened = [...ports].map((port) =>
      openRelay({ address: relayed[name] as string, port, to: own[name] as string }),
    )
    relays.set(
      name,
      (await Promise.all(opened)).map((relay) => taken.use(relay)),
    )
  }
  const held = taken.move()
  const cutFrom = (name: string, other: string) => {
    for (const relay of relays.get(name) ?? []) relay.cut(own[other] as string)
  }
  return {
    async cut(a, b) {
      cutFrom(a, b)
      cutFrom(b, a)
    },
    async heal() {
      for (const relay of [...relays.values()].flat()) relay.heal()
    },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  }
}
