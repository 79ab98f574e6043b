import type { Site } from '../backends/backend.ts'
import { HoldfastError } from '../errors.ts'
import { type GuardRef, partsOf, sabotagedUnits } from '../faults/sabotage.ts'
import { until } from './until.ts'

/** A unit came up with all of its guards, so whatever its scenarios say is no answer. Code `HOLDFAST_GUARD_NOT_REMOVED`. */
export class GuardNotRemoved extends HoldfastError {
  constructor(removed: GuardRef, unit: string, cause: unknown) {
    super(
      'HOLDFAST_GUARD_NOT_REMOVED',
      `${unit}: nothing there said that guard ${removed} was taken out; is there a guard of that name?`,
      { cause },
    )
  }
}

/** The unit says so before it is ready; what is left is the way of its log to us. */
const saidWithinMs = 2_000

/**
 * Waits until each unit of the service that was started has said that it looks for the guard, and one that it is gone: a node loads only the
 * sections that it is configured for.
 *
 * @throws GuardNotRemoved
 */
export async function proveRemoval(site: Site, removed: GuardRef): Promise<void> {
  const { guard } = partsOf(removed)
  const units = sabotagedUnits(site.plan, removed).map(({ node, unit }) => ({ node, unit, name: `${node}/${unit}` }))
  const says = (event: string, { node, unit }: (typeof units)[number]) => {
    const said = `"event":"${event}","guard":${JSON.stringify(guard)}`
    return site
      .node(node)
      .logs(unit)
      .some((line) => line.includes(said))
  }
  const isStarted = ({ node, unit }: (typeof units)[number]) =>
    site.events().some((one) => one.event === 'unit-started' && one.node === node && one.unit === unit)
  const demand = (names: string, is: () => boolean) =>
    until(`${names} without ${guard}`, is, { withinMs: saidWithinMs }).catch((cause: unknown) => {
      throw new GuardNotRemoved(removed, names, cause)
    })
  await Promise.all(units.filter(isStarted).map((one) => demand(one.name, () => says('guard-removal', one))))
  await demand(units.map(({ name }) => name).join(', '), () => units.some((one) => says('guard-removed', one)))
}
