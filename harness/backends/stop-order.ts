import type { Plan, PlanUnit, Step, UnitRef } from '../topology/plan.ts'

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

/** What a node starts when its machine has power again, each after what it waits for: services, and what keeps files up to date. */
export function startOrder({ nodes }: Plan, node: string): UnitRef[] {
  const units = new Map(nodes[node]!.units.map((unit) => [`${node}/${unit.name}` as UnitRef, unit]))
  const order = new Set<UnitRef>()
  const add = (ref: UnitRef, unit: PlanUnit) => {
    if (order.has(ref)) return
    for (const before of unit.after) {
      const own = units.get(before)
      if (own !== undefined) add(before, own)
    }
    order.add(ref)
  }
  for (const [ref, unit] of units) add(ref, unit)
  return [...order].filter((ref) => {
    const { service, steps } = units.get(ref)!
    return service === undefined ? steps.some(goesOn) : service.command !== undefined
  })
}

/** Whether something is done for as long as the agent lives, after the unit is done. */
function goesOn(step: Step): boolean {
  if ('parallel' in step) return step.parallel.flat().some(goesOn)
  if ('follow' in step) return true
  if (!('receive' in step)) return false
  const { again, source } = step.receive
  return again !== undefined || ('mint' in source && source.renew !== undefined)
}
