import { type Compilation, own } from './compilation.ts'
import { didYouMean } from './mistakes.ts'
import type { PlanNode, PlanUnit, UnitRef } from './plan.ts'

/** Full form of a reference in `after`: a bare unit is one of the same node. */
export function unitReference(node: string, reference: string): UnitRef {
  return reference.includes('/') ? reference : `${node}/${reference}`
}

/** Reports references in `after` that lead nowhere, names that two units of a node share, and circles. */
export function checkOrder(compilation: Compilation, nodes: Readonly<Record<string, PlanNode>>): void {
  const units = new Map<UnitRef, PlanUnit>()
  for (const node of Object.values(nodes)) {
    for (const unit of node.units) {
      const ref = `${node.name}/${unit.name}`
      const other = units.get(ref)
      if (other !== undefined) {
        const message = `has the name of another unit of this node (kind ${other.kind})`
        compilation.mistakes.add(['nodes', node.name, 'units', unit.name], message, 'give it another name')
      }
      units.set(ref, unit)
    }
  }
  checkReferences(compilation, units)
  checkOnDemand(compilation, units)
  checkCircles(compilation, units)
}

/** What is run on demand is never ready, and what has a service is never done. */
function checkOnDemand(compilation: Compilation, units: Map<UnitRef, PlanUnit>): void {
  const { mistakes } = compilation
  for (const [ref, unit] of units) {
    const [node = ''] = ref.split('/')
    const path = ['nodes', node, 'units', unit.name]
    if (unit.start !== undefined && unit.service !== undefined) {
      mistakes.add([...path, 'start'], `is of kind ${unit.kind}, which is a service; on demand, only oneshots run`)
    }
    for (const before of unit.after) {
      if (units.get(before)?.start === undefined) continue
      const index = declaredAfter(compilation, ref).findIndex((reference) => unitReference(node, reference) === before)
      const place = index < 0 ? path : [...path, 'after', index]
      mistakes.add(place, `waits for "${before}", which is run on demand`, 'wait for a unit that starts with its node')
    }
  }
}

function checkReferences({ topology, mistakes, unknownNodes }: Compilation, units: Map<UnitRef, PlanUnit>): void {
  for (const [node, { units: declared }] of Object.entries(topology.nodes)) {
    for (const [name, { after }] of Object.entries(declared)) {
      for (const [index, reference] of (after ?? []).entries()) {
        const ref = unitReference(node, reference)
        const [target = ''] = ref.split('/')
        if (units.has(ref) || unknownNodes.has(target) || own(topology.credentials, ref.slice(target.length + 1)))
          continue
        const wayOut = didYouMean(ref, units.keys(), 'write UNIT or NODE/UNIT')
        mistakes.add(['nodes', node, 'units', name, 'after', index], `unit "${reference}" is not declared`, wayOut)
      }
    }
  }
}

function declaredAfter({ units }: Compilation, ref: UnitRef): readonly string[] {
  return units.get(ref)?.declared.after ?? []
}

function checkCircles(compilation: Compilation, units: Map<UnitRef, PlanUnit>): void {
  const done = new Set<UnitRef>()
  const visit = (ref: UnitRef, trail: readonly UnitRef[]): void => {
    const start = trail.indexOf(ref)
    if (start >= 0) reportCircle(compilation, trail.slice(start))
    if (start >= 0 || done.has(ref)) return
    for (const next of units.get(ref)?.after ?? []) visit(next, [...trail, ref])
    done.add(ref)
  }
  for (const ref of units.keys()) visit(ref, [])
}

/** At the first unit that says itself for whom it waits; others are taken for what follows from credentials. */
function reportCircle(compilation: Compilation, circle: readonly UnitRef[]): void {
  const waiting = circle.find((ref) => declaredAfter(compilation, ref).length > 0)
  const [node = '', unit = ''] = (waiting ?? circle[0]!).split('/')
  const path = ['nodes', node, 'units', unit, ...(waiting === undefined ? [] : ['after'])]
  const text = [...circle, circle[0]].join(' → ')
  compilation.mistakes.add(path, `units wait for each other in a circle: ${text}`, 'take one of these waits away')
}
