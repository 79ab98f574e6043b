import { HoldfastError } from '../errors.ts'
import { referenceProgram } from '../topology/holders.ts'
import type { Plan } from '../topology/plan.ts'

/** A guard of a service, or of a subcommand of one: `orchestrator/token.binding`, `creds-intake/creds.form`. */
export type GuardRef = `${string}/${string}`

/**
 * Extra environment for the programs of one node (`NODE`) or one unit (`NODE/UNIT`), or for a service that is run beside the units
 * (`NODE/service:NAME`): faults come from outside.
 */
export type Environments = Readonly<Record<string, Readonly<Record<string, string>>>>

/** No unit of this plan runs the service whose guard was to be taken out. Code `HOLDFAST_SABOTAGE_IMPOSSIBLE`. */
export class SabotageImpossible extends HoldfastError {
  constructor(plan: Plan, removed: GuardRef) {
    super(
      'HOLDFAST_SABOTAGE_IMPOSSIBLE',
      `topology ${plan.topology}: no unit runs the service of guard ${removed}; name one as service/guard, as "holdfast sabotage --list" does`,
    )
  }
}

/**
 * Environment, by `node/unit`, that takes one guard out of every unit of the service, and out of what tests run of it beside
 * them: the scenarios that cover the guard must turn red. `given` is what those units get anyway; its NODE_OPTIONS stay in force.
 *
 * @throws SabotageImpossible when no unit of the plan runs that service
 */
export function sabotageEnvironment(plan: Plan, removed: GuardRef, given: Environments = {}): Environments {
  const { service, guard } = partsOf(removed)
  const hook = new URL('guard-removal.mjs', import.meta.url).href
  const places = sabotagedUnits(plan, removed).flatMap(({ node, unit }) => [
    [node, `${node}/${unit}`],
    [node, `${node}/service:${service}`],
  ]) as [node: string, place: string][]
  const sabotaged = places.map(([node, place]) => {
    const own = given[place]
    const options = own?.NODE_OPTIONS ?? given[node]?.NODE_OPTIONS ?? ''
    const added = { NODE_OPTIONS: `${options} --import ${hook}`.trim(), HOLDFAST_REMOVED_GUARD: guard }
    return [place, { ...own, ...added }]
  })
  return { ...given, ...Object.fromEntries(sabotaged) }
}

/** The units that run the service of a guard. @throws SabotageImpossible */
export function sabotagedUnits(plan: Plan, removed: GuardRef): { node: string; unit: string }[] {
  const { service } = partsOf(removed)
  const units = Object.values(plan.nodes).flatMap((node) => {
    const own = node.units.filter((unit) => referenceProgram(unit) === service)
    return own.map((unit) => ({ node: node.name, unit: unit.name }))
  })
  if (units.length === 0) throw new SabotageImpossible(plan, removed)
  return units
}

/** Its program, and the id of the guard in there. */
export function partsOf(removed: GuardRef): { service: string; guard: string } {
  const at = removed.indexOf('/')
  return { service: removed.slice(0, at), guard: removed.slice(at + 1) }
}
