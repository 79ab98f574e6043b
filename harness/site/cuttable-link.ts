import type { Site } from '../backends/backend.ts'
import { NotSupported } from '../backends/launched-site.ts'
import { openRelay, type Relay } from '../counterparts/relay.ts'
import { NotInPlan } from './site-files.ts'

/** The way between two nodes, under the control of the test. */
export interface CuttableLink extends AsyncDisposable {
  /** Nothing passes between the two nodes any more, and neither is told. */
  cut(): void
  /** All passes again, what was held back first. */
  heal(): void
}

/** Of the run's network: neither nodes nor those who pretend to be somebody have them. */
const RELAY_HOST = 230

/** Leads both nodes' way to a listener of the other by a relay. */
export async function linkBetween(site: Site, a: string, b: string, listener: string): Promise<CuttableLink> {
  if (site.lead === undefined) throw new NotSupported(site.backend, 'partition')
  const relays: { readonly relay: Relay; readonly from: string; readonly host: string }[] = []
  const release = async () => {
    for (const { relay, host } of relays) {
      await site.lead?.(host)
      await relay[Symbol.asyncDispose]()
    }
  }
  try {
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      const { host, address: home } = site.node(to)
      const address = home.replace(/\d+$/, String(RELAY_HOST + relays.length))
      const relay = await openRelay({ address, port: portOf(site, to, listener), to: home })
      relays.push({ relay, from: site.node(from).address, host })
      await site.lead(host, address)
    }
  } catch (failure) {
    await release()
    throw failure
  }
  return {
    cut: () => {
      for (const { relay, from } of relays) relay.cut(from)
    },
    heal: () => {
      for (const { relay } of relays) relay.heal()
    },
    [Symbol.asyncDispose]: release,
  }
}

function portOf(site: Site, node: string, name: string): number {
  const listeners = site.plan.nodes[node]?.units.flatMap(({ service }) => service?.listeners ?? []) ?? []
  const port = listeners.find((one) => one.name === name)?.port
  if (port !== undefined) return port
  const known = listeners.map((one) => one.name)
  throw new NotInPlan(site, `node ${node} has no listener ${name}`, known)
}
