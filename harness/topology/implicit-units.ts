import { unitReference } from './check-order.ts'
import { type Compilation, own, type PlannedUnit } from './compilation.ts'
import { placeOf } from './holders.ts'
import { offerInRole } from './offers.ts'
import { anchorPath, anchorUnit } from './paths.ts'
import type { PlanCredential, PlanUnit, Receive, UnitRef } from './plan.ts'
import { handoverOf } from './schema.ts'

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

/** Where a credential that is handed over lies on a holder, and whose it is: else of the unit that reads it. */
export function handedTo(compilation: Compilation, credential: PlanCredential, holder: string): Receive['to'] {
  const { mode, group, ...declared } = handoverOf(compilation.topology.credentials[credential.name]!)
  const owner = declared.owner ?? (group === undefined ? readerOf(compilation, holder, credential.name) : undefined)
  return { path: placeOf(credential, holder), mode, owner, group }
}

/** A declared unit as its kind planned it, with the oneshots that the kind brings along. */
export function declaredUnits({ unit, plan, after }: PlannedUnit): PlanUnit[] {
  const { node, kind } = unit
  const { after: named = [], user, network, start } = unit.declared
  const { files, steps = [], service, verification, actions, observe, proof, program, surfaces } = plan
  const { insider, hop, machine, given, decisionLog, again, userUnderRoot, ownIpc } = plan
  const planned: PlanUnit = {
    ...{ name: unit.name, kind: kind.name, summary: plan.summary },
    after: unique([...named.map((reference) => unitReference(node, reference)), ...(plan.after ?? []), ...after]),
    ...{
      user,
      userUnderRoot,
      ownIpc,
      network,
      start,
      again,
      files,
      steps,
      service,
      decisionLog,
      verification,
      actions,
      observe,
      proof,
      program,
    },
    ...{ guards: kind.guards, surfaces, insider, hop, machine, given },
  }
  return [planned, ...(plan.companions ?? []).map((companion) => ({ user, network, ...companion }))]
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
