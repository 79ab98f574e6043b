import type { Plan, UnitRef } from '../topology/plan.ts'

/**
 * Stops the services of a plan in reverse order: a unit only after everything that waits for it has stopped, and what is
 * not related at the same time. A failure does not keep the others from being stopped.
 */
export async function stopInReverse(plan: Plan, stop: (ref: UnitRef) => Promise<void>): Promise<Error[]> {
  const failures: Error[] = []
  const dependants = new Map<UnitRef, UnitRef[]>()
  const services = new Set<UnitRef>()
  for (const node of Object.values(plan.nodes)) {
    for (const unit of node.units) {
      const ref = `${node.name}/${unit.name}`
      if (unit.service?.command !== undefined) services.add(ref)
      for (const before of unit.after) dependants.set(before, [...(dependants.get(before) ?? []), ref])
    }
  }
  const stopped = new Map<UnitRef, Promise<void>>()
  const stopAfterDependants = (ref: UnitRef): Promise<void> => {
    let done = stopped.get(ref)
    if (done === undefined) {
      done = Promise.all((dependants.get(ref) ?? []).map(stopAfterDependants)).then(async () => {
        if (!services.has(ref)) return
        await stop(ref).catch((cause: unknown) => {
          failures.push(new Error(`could not stop ${ref}`, { cause }))
        })
      })
      stopped.set(ref, done)
    }
    return done
  }
  await Promise.all([...services].map(stopAfterDependants))
  return failures
}
