import type { LaunchOptions, Site } from '../backends/backend.ts'
import { HoldfastError } from '../errors.ts'
import { until } from '../lib/until.ts'
import type { Plan } from '../topology/plan.ts'

/** A guard of a service: `orchestrator/token.binding`. */
export type GuardRef = `${string}/${string}`

/** Extra environment of nodes and units, as `launch` takes it. */
export type Environments = NonNullable<LaunchOptions['env']>

/** No unit of this plan runs the service whose guard was to be taken out. Code `HOLDFAST_SABOTAGE_IMPOSSIBLE`. */
export class SabotageImpossible extends HoldfastError {
  constructor(plan: Plan, removed: GuardRef) {
    super(
      'HOLDFAST_SABOTAGE_IMPOSSIBLE',
      `topology ${plan.topology}: no unit runs the service of guard ${removed}; name one as service/guard, as "holdfast sabotage --list" does`,
    )
  }
}

/** A unit came up with all of its guards, so whatever its scenarios say is no answer. Code `HOLDFAST_GUARD_NOT_REMOVED`. */
export class GuardNotRemoved extends HoldfastError {
  constructor(removed: GuardRef, unit: string, cause: unknown) {
    super(
      'HOLDFAST_GUARD_NOT_REMOVED',
      `${unit}: it did not say that guard ${removed} was taken out; is there a guard of that name?`,
      { cause },
    )
  }
}

/**
 * Environment, by `node/unit`, that takes one guard out of every unit of the service: the scenarios that cover the guard must
 * turn red. `given` is what those units get anyway; its NODE_OPTIONS stay in force.
 *
 * @throws SabotageImpossible when no unit of the plan runs that service
 */
export function sabotageEnvironment(plan: Plan, removed: GuardRef, given: Environments = {}): Environments {
  const { guard } = partsOf(removed)
  const hook = new URL('guard-removal.mjs', import.meta.url).href
  const environments: Record<string, Readonly<Record<string, string>>> = { ...given }
  for (const { node, unit } of sabotagedUnits(plan, removed)) {
    const own = given[`${node}/${unit}`]
    const options = own?.NODE_OPTIONS ?? given[node]?.NODE_OPTIONS ?? ''
    environments[`${node}/${unit}`] = {
      ...own,
      NODE_OPTIONS: `${options} --import ${hook}`.trim(),
      HOLDFAST_REMOVED_GUARD: guard,
    }
  }
  return environments
}

/** Waits until every sabotaged unit has said that the guard is gone. @throws GuardNotRemoved */
export async function proveRemoval(site: Site, removed: GuardRef): Promise<void> {
  const said = `"event":"guard-removed","guard":${JSON.stringify(partsOf(removed).guard)}`
  await Promise.all(
    sabotagedUnits(site.plan, removed).map(async ({ node, unit }) => {
      const probe = () =>
        site
          .node(node)
          .logs(unit)
          .some((line) => line.includes(said))
      await until(said, probe, { withinMs: saidWithinMs }).catch((cause: unknown) => {
        throw new GuardNotRemoved(removed, `${node}/${unit}`, cause)
      })
    }),
  )
}

/** The unit says so before it is ready; what is left is the way of its log to us. */
const saidWithinMs = 2_000

function sabotagedUnits(plan: Plan, removed: GuardRef): { node: string; unit: string }[] {
  const { service } = partsOf(removed)
  const units = Object.values(plan.nodes).flatMap((node) =>
    node.units
      .filter(({ service: own }) => own !== undefined && serviceOf(own.command) === service)
      .map((unit) => ({ node: node.name, unit: unit.name })),
  )
  if (units.length === 0) throw new SabotageImpossible(plan, removed)
  return units
}

type Command = NonNullable<Plan['nodes'][string]['units'][number]['service']>['command']

function serviceOf(command: Command): string | undefined {
  return command !== undefined && 'service' in command.program ? command.program.service : undefined
}

function partsOf(removed: GuardRef): { service: string; guard: string } {
  const at = removed.indexOf('/')
  return { service: removed.slice(0, at), guard: removed.slice(at + 1) }
}
