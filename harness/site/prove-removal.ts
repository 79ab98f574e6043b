import type { Site } from '../backends/backend.ts'
import { HoldfastError } from '../errors.ts'
import { type GuardRef, partsOf, sabotagedUnits } from '../faults/sabotage.ts'
import { until } from './until.ts'

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

/** The unit says so before it is ready; what is left is the way of its log to us. */
const saidWithinMs = 2_000

/** Waits until every sabotaged unit has said that the guard is gone. @throws GuardNotRemoved */
export async function proveRemoval(site: Site, removed: GuardRef): Promise<void> {
  const said = `"event":"guard-removed","guard":${JSON.stringify(partsOf(removed).guard)}`
  const proven = sabotagedUnits(site.plan, removed).map(async ({ node, unit }) => {
    const isSaid = () =>
      site
        .node(node)
        .logs(unit)
        .some((line) => line.includes(said))
    await until(said, isSaid, { withinMs: saidWithinMs }).catch((cause: unknown) => {
      throw new GuardNotRemoved(removed, `${node}/${unit}`, cause)
    })
  })
  await Promise.all(proven)
}
