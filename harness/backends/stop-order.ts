import type { Plan, UnitRef } from '../topology/plan.ts'

/**
 * Stops the services of a plan in reverse order: a unit only after everything that waits for it has stopped, and what is
 * not related at the same time. A failure does not keep the others from being stopped.
 */
export async function stopInReverse(plan: Plan, stop: (ref: UnitRef) => Promise<void>): Promise<Error[]> {
  const failures: Error[] = []
  const units = Object.values(plan.nodes).flatMap((node) =>
    node.units.map((unit) => ({ ref: `${node.name}/${unit.name}` as const, ...unit })),
  )
  const waits = units.flatMap(({ ref, after }) => after.map((before) => ({ ref, before })))
  const dependants = Map.groupBy(waits, ({ before }) => before)
  const over = new Map(units.map(({ ref }) => [ref, Promise.withResolvers<void>()]))
  const stops = units.map(async ({ ref, service }) => {
    await Promise.all((dependants.get(ref) ?? []).map((dependant) => over.get(dependant.ref)?.promise))
    if (service?.command !== undefined) {
      await stop(ref).catch((cause: unknown) => failures.push(new Error(`could not stop ${ref}`, { cause })))
    }
    over.get(ref)?.resolve()
  })
  await Promise.all(stops)
  return failures
}
