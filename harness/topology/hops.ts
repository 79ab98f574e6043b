import type { Hop, PlanNode } from './plan.ts'
import type { ActionVerification, Way } from './verification.ts'

type Nodes = Readonly<Record<string, PlanNode>>

/** A unit that hands calls on, and the node on which it runs. */
export interface PlacedHop extends Hop {
  readonly node: string
  readonly unit: string
}

/** By which other nodes calls come to a listener of one. */
export function hopsTo(nodes: Nodes, to: Hop['to']): PlacedHop[] {
  return Object.values(nodes).flatMap(({ name: node, units }) =>
    units.flatMap(({ name: unit, hop }) =>
      hop?.to.node === to.node && hop.to.listener === to.listener ? { node, unit, ...hop } : [],
    ),
  )
}

/**
 * Lets everything that can be tried at a node be tried through those that hand calls on to it, too, in each of the ways that there are:
 * what does not come through, it is judged without.
 */
export function enterHops(nodes: Nodes): void {
  for (const { name: node, units } of Object.values(nodes)) {
    for (const unit of units) {
      for (const [action, verification] of Object.entries(unit.verification ?? {})) {
        const hops = hopsTo(nodes, { node, listener: unit.actions?.[action]?.listener ?? '' })
        if (hops.length > 0) unit.verification = { ...unit.verification, [action]: reachedBy(verification, hops) }
      }
    }
  }
}

function reachedBy(verification: ActionVerification, hops: readonly PlacedHop[]): ActionVerification {
  const { ways = {} } = verification
  const own: readonly (readonly [string | undefined, Way])[] = [[undefined, { call: {} }], ...Object.entries(ways)]
  const through = hops.flatMap((hop) =>
    own.map(([name, way]) => {
      const text = `through ${hop.node}`
      return [name === undefined ? text : `${name}, ${text}`, throughHop(verification, way, hop)] as const
    }),
  )
  return { ...verification, ways: { ...ways, ...Object.fromEntries(through) } }
}

function throughHop({ fields, behind }: ActionVerification, way: Way, { node, ends = [], takes = [] }: PlacedHop): Way {
  const isTaken = (field: string) => takes === 'all' || takes.some((one) => one.toLowerCase() === field.toLowerCase())
  const lost = Object.entries(way.fields ?? fields ?? {}).flatMap(([part, field]) => (isTaken(field) ? part : []))
  return {
    ...way,
    call: { ...way.call, through: node },
    loses: [...new Set([...(way.loses ?? []), ...ends, ...lost])],
    ...(behind && { reasons: behind }),
  }
}

/** The line by which a hop hands on a field that does not come through. */
export function mendingLine({ mend: { line } }: Hop, field: string): string {
  const variable = field.toLowerCase().replaceAll('-', '_')
  return line.replaceAll('{field}', field).replaceAll('{variable}', variable)
}
