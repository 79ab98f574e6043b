import { type Compilation, own, type PlannedUnit } from './compilation.ts'
import { offerInRole } from './offers.ts'
import { anchorPath, anchorUnit } from './paths.ts'
import type { PlanUnit, UnitRef } from './plan.ts'

/** The oneshots that put roots on their nodes. */
export function anchorUnits(compilation: Compilation, node: string): PlanUnit[] {
  return [...(compilation.anchors.get(node) ?? [])].flatMap((domain) => {
    const ca = own(compilation.topology.trustDomains, domain)?.ca
    const authority = offerInRole(compilation, domain, 'ca')
    if (ca === undefined || authority?.root === undefined) return []
    const to = { path: anchorPath(domain), mode: '0644' }
    return oneshot(node, {
      ref: anchorUnit(node, domain),
      kind: 'anchor',
      summary: `receives the root of ${domain} from ${ca}`,
      after: [authority.unit],
      steps: [{ receive: { from: ca, source: { file: authority.root }, to } }],
    })
  })
}

/** The user that a credential belongs to on a holder: that of the unit which reads it, if it has one of its own. */
export function readerOf({ readers, mistakes }: Compilation, holder: string, name: string): string | undefined {
  const [reader, other] = readers.get(`${holder}/${name}`) ?? []
  if (other !== undefined) {
    const what = `is read by units that run as "${reader}" and as "${other}", and can belong to one of them`
    mistakes.add(['credentials', name], what, 'declare a credential for each')
  }
  return reader
}

/** What a topology says of any unit. */
export type DeclaredOfUnit = Pick<PlanUnit, 'after' | 'user' | 'start'>

/** A declared unit as its kind planned it, with the oneshots that the kind brings along. */
export function declaredUnits({ unit, plan, after }: PlannedUnit, declared: DeclaredOfUnit): PlanUnit[] {
  const planned: PlanUnit = {
    name: unit.name,
    kind: unit.kind.name,
    summary: plan.summary,
    after: unique([...declared.after, ...(plan.after ?? []), ...after]),
    user: declared.user,
    start: declared.start,
    files: plan.files,
    steps: plan.steps ?? [],
    service: plan.service,
    verification: plan.verification,
    actions: plan.actions ?? unit.kind.actions,
    observe: plan.observe ?? unit.kind.observe,
    proof: plan.proof,
    guards: unit.kind.guards,
    surfaces: plan.surfaces ?? unit.kind.surfaces,
    insider: plan.insider,
  }
  return [planned, ...(plan.companions ?? []).map((companion) => ({ user: declared.user, ...companion }))]
}

/** A unit that runs its steps to their end. */
export function oneshot(
  node: string,
  { ref, after, ...unit }: Pick<PlanUnit, 'kind' | 'summary' | 'after' | 'steps'> & { ref: UnitRef },
): PlanUnit {
  return { name: ref.slice(node.length + 1), ...unit, after: unique(after), files: [] }
}

function unique(refs: readonly UnitRef[]): UnitRef[] {
  return [...new Set(refs)]
}
