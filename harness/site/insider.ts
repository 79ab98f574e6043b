import type { Site } from '../backends/backend.ts'
import { certificateNaming } from '../credentials/certificate/checks.ts'
import type { Identity } from '../pki/certificate.ts'
import { holderOf } from '../topology/holders.ts'
import type { Insider } from '../topology/insider.ts'
import type { PlanUnit } from '../topology/plan.ts'
import { identityAt, NotInPlan } from './site-files.ts'

/** The unit of a node, or the one of that name, whose kind says this of an insider, and what it says. @throws NotInPlan where none does */
export function insiderAt<Member extends keyof Insider>(
  site: Pick<Site, 'plan'>,
  node: string,
  member: Member,
  name?: string,
): { unit: PlanUnit; said: NonNullable<Insider[Member]> } {
  const { nodes } = site.plan
  for (const unit of nodes[node]?.units ?? []) {
    const said = unit.insider?.[member]
    if (said !== undefined && unit.name === (name ?? unit.name)) return { unit, said }
  }
  const able = Object.keys(nodes).filter((name) => nodes[name]!.units.some(({ insider }) => insider?.[member]))
  const place = name === undefined ? `node ${node}` : `unit ${node}/${name}`
  const wayOut = `let the plan of its kind return insider.${member} (docs/guides/add-a-service-kind.md), or ask where it is said`
  throw new NotInPlan(site, `${place} says nothing of "${member}" for insiders; ${wayOut}`, able)
}

/** A certificate, with its key, of those that the kind of a unit takes for operators of a node; and the node that it lies on. */
export async function operatorOf(site: Site, node: string): Promise<{ node: string; identity: Identity }> {
  const { sans } = insiderAt(site, node, 'operator').said
  const operator = certificateNaming(site.plan, sans)
  if (operator !== undefined) return { node: holderOf(operator), identity: await identityAt(site, operator) }
  const what = `no certificate is one of the operators of ${node} (${sans.join(', ') || 'it has none'})`
  throw new NotInPlan(site, what, Object.keys(site.plan.credentials))
}
