import type { Impairment } from '../backend.ts'
import type { Grounds } from '../launch.ts'
import { type Link, type Way, wayKey } from './addresses.ts'
import type { Detour } from './detour.ts'
import type { Namespaces } from './namespaces.ts'

/** A hardware address of nobody (locally administered): a switch hands on what is for it, and no interface takes it. */
const NOBODY = '02:00:00:00:00:01'

/**
 * What lies between nodes. Cuts are real: each node takes the other to be where nobody is, for good, so that what it sends is lost on the
 * way, of connections that are open already, too. Neither is told. The system sends again what came to nothing, so it arrives after the
 * end. What is to be late, or lost now and then, goes to an address at which the detour takes it.
 */
export function between(
  { ip }: Pick<Namespaces, 'ip'>,
  links: readonly Link[],
  detour: Detour,
): Required<NonNullable<Grounds['network']>> {
  /** By way, as its ports: the hardware address to which its frames go instead of the true one. */
  const led = new Map<string, { way: Way; to: string }>()
  const waysOf = (a: string, b: string): Way[] => {
    const of = (node: string) => links.filter((link) => link.node === node)
    const ways = of(a).flatMap((from) => of(b).map((to): Way => [from, to]))
    return ways.filter(([from, to]) => from.network === to.network)
  }
  const both = (a: string, b: string) => [...waysOf(a, b), ...waysOf(b, a)]
  const lead = async (some: readonly { way: Way; to: string | undefined }[]) => {
    for (const { way, to } of some) {
      if (to === undefined) led.delete(wayKey(way))
      else led.set(wayKey(way), { way, to })
    }
    const byNode = Map.groupBy(some, ({ way: [from] }) => from.node)
    await Promise.all(
      [...byNode].map(([node, ways]) =>
        ip(
          node,
          ways.map(({ way, to }) => neighbour(way, to)),
        ),
      ),
    )
  }
  return {
    cut: (a, b) => lead(both(a, b).map((way) => ({ way, to: NOBODY }))),
    async impair(a, b, how: Required<Impairment>) {
      const ways = both(a, b)
      const addresses = await detour.impair(ways, how)
      // A cut lasts until its end.
      const open = ways
        .map((way, at) => ({ way, to: addresses[at] }))
        .filter(({ way }) => led.get(wayKey(way))?.to !== NOBODY)
      await lead(open)
    },
    async heal() {
      await lead([...led.values()].map(({ way }) => ({ way, to: undefined })))
    },
  }
}

/** Where a node finds another one from now on; without an address it asks for it, as ever. */
function neighbour([{ name }, { address }]: Way, to: string | undefined): string {
  return to === undefined
    ? `neigh del ${address} dev ${name}`
    : `neigh replace ${address} lladdr ${to} dev ${name} nud permanent`
}
