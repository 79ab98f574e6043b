import type { Grounds } from '../launch.ts'
import type { Link } from './addresses.ts'
import type { Namespaces } from './namespaces.ts'

/** An address of nobody (locally administered): a switch hands on what is for it, and no interface takes it. */
const NOBODY = '02:00:00:00:00:01'

/**
 * Cuts nodes off from each other for real: each takes the other to be where nobody is, for good, so that what it sends is lost on the way,
 * of connections that are open already, too. Neither is told. The system sends again what came to nothing, and so it arrives after the end.
 */
export function cuttable({ ip }: Pick<Namespaces, 'ip'>, links: readonly Link[]): NonNullable<Grounds['network']> {
  const cuts = new Map<string, readonly [from: Link, to: Link]>()
  const neighbours = (a: string, b: string) => {
    const of = (node: string) => links.filter((link) => link.node === node)
    return of(a).flatMap((from) => of(b).flatMap((to) => (from.network === to.network ? [[from, to] as const] : [])))
  }
  const each = async (pairs: Iterable<readonly [Link, Link]>, command: (from: Link, to: Link) => string) => {
    const byNode = Map.groupBy(pairs, ([from]) => from.node)
    await Promise.all(
      [...byNode].map(([node, some]) =>
        ip(
          node,
          some.map(([from, to]) => command(from, to)),
        ),
      ),
    )
  }
  return {
    async cut(a, b) {
      const pairs = [...neighbours(a, b), ...neighbours(b, a)]
      for (const pair of pairs) cuts.set(pair.map(({ port }) => port).join(), pair)
      await each(
        pairs,
        ({ name }, { address }) => `neigh replace ${address} lladdr ${NOBODY} dev ${name} nud permanent`,
      )
    },
    async heal() {
      const pairs = [...cuts.values()]
      cuts.clear()
      await each(pairs, ({ name }, { address }) => `neigh del ${address} dev ${name}`)
    },
  }
}
