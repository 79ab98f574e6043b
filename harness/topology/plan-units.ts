import { type Compilation, type DeclaredUnit, isDeclared, listenersOf, type PlannedUnit } from './compilation.ts'
import { issuingDomain } from './holders.ts'
import type { KindPlan, Offer, UnitContext } from './kind.ts'
import { Mistakes } from './mistakes.ts'
import { networkOf } from './networks.ts'
import { offerOf, unitThatIssues } from './offers.ts'
import type { Listener, PlanCredential, PlanUnit, UnitRef } from './plan.ts'
import { unitContext } from './unit-context.ts'

/**
 * Enters a draft of every unit: units need the listeners, actions and insiders of each other, so these have to be known before any unit is
 * planned for good. Kinds are pure, and asking them twice is harmless; what they need and miss is told when they are asked again.
 */
export function draftUnits(compilation: Compilation): void {
  const apart = { mistakes: new Mistakes(), anchors: new Map(), used: new Set<string>(), readers: new Map() }
  for (const unit of compilation.units.values()) {
    const known = listenersOf(compilation, unit.node)
    const draft = planUnit({ ...compilation, ...apart }, unit, [])
    compilation.drafts.set(unit.ref, draft)
    for (const listener of draft.plan.service?.listeners ?? []) {
      const { networks } = compilation.topology.nodes[unit.node]!
      const placeOf = (one: Listener) => `${networkOf({ networks }, one)} ${one.port}`
      const clash = known.find((one) => placeOf(one) === placeOf(listener))
      if (clash === undefined) continue
      compilation.mistakes.add(
        ['nodes', unit.node, 'units', unit.name],
        `its listener "${listener.name}" wants port ${listener.port}, which "${clash.name}" has on this node`,
        'give one of the two another port, or move it to another node',
      )
    }
  }
}

/** Enters what the units of each node issue, and reports trust domains whose nodes do not issue what they should. */
export function enterOffers(compilation: Compilation): void {
  const { topology, credentialKinds, unknownNodes, mistakes } = compilation
  for (const unit of compilation.units.values()) {
    const { node, ref } = unit
    const offers: Readonly<Record<string, (unit: UnitContext<unknown>) => Offer>> = unit.kind.offers ?? {}
    for (const [credentialKind, offer] of Object.entries(offers)) {
      if (compilation.offers.some((known) => known.node === node && known.credentialKind === credentialKind)) continue
      const { role } = credentialKinds.get(credentialKind)?.issuing ?? {}
      const domain = issuingDomain(topology, node, role === undefined ? [] : [role])
      compilation.offers.push({ ...offer(unitContext(compilation, unit)), credentialKind, node, unit: ref, domain })
    }
  }
  for (const [domain, declared] of Object.entries(topology.trustDomains)) {
    for (const { name, issuing } of credentialKinds.values()) {
      const node = issuing.role && declared[issuing.role]
      if (node === undefined || offerOf(compilation, name, node) !== undefined) continue
      const path = ['trustDomains', domain, issuing.role!]
      if (!isDeclared(compilation, 'nodes', node, path) || unknownNodes.has(node)) continue
      mistakes.add(path, `"${node}" has no unit that ${issuing.does}`, unitThatIssues(compilation, name))
    }
  }
}

/** Lets the kind of a unit plan it; what it does not say of this very unit is what it says of all. */
export function planUnit(
  compilation: Compilation,
  unit: DeclaredUnit,
  credentials: readonly PlanCredential[],
): PlannedUnit {
  const { kind } = unit
  const after = new Set<UnitRef>()
  const issued = credentials.filter(({ issuer }) => issuer === unit.node)
  const said = kind.plan(unitContext(compilation, unit, { after, issued }))
  const { actions = kind.actions, observe = kind.observe, surfaces = kind.surfaces } = said
  const plan = { ...said, actions, observe, surfaces }
  return { unit, plan: unit.declared.network === undefined ? plan : placed(plan, unit.declared.network), after }
}

/** Listeners of a unit and its companions are where the unit is, unless its kind says otherwise. */
function placed(plan: KindPlan, network: string): KindPlan {
  const inNetwork = <Unit extends Pick<PlanUnit, 'service'>>(one: Unit): Unit => {
    const { service } = one
    if (service === undefined) return one
    return {
      ...one,
      service: { ...service, listeners: service.listeners.map((listener) => ({ network, ...listener })) },
    }
  }
  return { ...inNetwork(plan), ...(plan.companions && { companions: plan.companions.map(inNetwork) }) }
}
