import type { Compilation, PlannedUnit } from './compilation.ts'
import type { PlanCredential, UnitRef } from './plan.ts'
import { unitContext } from './unit-context.ts'

/**
 * Enters the listeners, actions and insiders of every node. Units need those of each other, so they have to be known before any unit is
 * planned for good; kinds are pure, and asking them twice is harmless.
 */
export function enterListeners(compilation: Compilation): void {
  for (const unit of compilation.units.values()) {
    const {
      service,
      actions,
      insider,
      verification = {},
    } = unit.kind.plan(unitContext(compilation, unit, { discovery: true }))
    compilation.actions.set(unit.ref, actions ?? unit.kind.actions ?? {})
    compilation.verifications.set(unit.ref, verification)
    if (insider !== undefined) compilation.insiders.push({ node: unit.node, insider })
    const known = compilation.listeners.get(unit.node) ?? []
    compilation.listeners.set(unit.node, [...known, ...(service?.listeners ?? [])])
    for (const listener of service?.listeners ?? []) {
      const clash = known.find(({ port }) => port === listener.port)
      if (clash === undefined) continue
      compilation.mistakes.add(
        ['nodes', unit.node, 'units', unit.name],
        `its listener "${listener.name}" wants port ${listener.port}, which "${clash.name}" has on this node`,
        'give one of the two another port, or move it to another node',
      )
    }
  }
}

/** Lets every kind plan its units. */
export function planUnits(
  compilation: Compilation,
  credentials: ReadonlyMap<string, PlanCredential>,
): Map<UnitRef, PlannedUnit> {
  const planned = new Map<UnitRef, PlannedUnit>()
  for (const unit of compilation.units.values()) {
    const after = new Set<UnitRef>()
    const issued = [...credentials.values()].filter(({ issuer }) => issuer === unit.node)
    const plan = unit.kind.plan(unitContext(compilation, unit, { after, issued }))
    planned.set(unit.ref, { unit, plan, after })
  }
  return planned
}
