import type { CredentialKinds } from './credential-kind.ts'
import type { PlanNode, Template, UnitRef } from './plan.ts'
import { type CredentialDeclaration, handoverOf } from './schema.ts'

/** Where a node keeps the root of a trust domain. */
export function anchorPath(domain: string): Template {
  return `@{dir}/anchors/${domain}.pem`
}

/** Whether units of a node are handed the root of a trust domain. */
export function receivesRoot({ units }: Pick<PlanNode, 'units'>, domain: string): boolean {
  const steps = units.flatMap((unit) => unit.steps)
  return steps.some((step) => 'receive' in step && step.receive.to.path === anchorPath(domain))
}

export function anchorUnit(node: string, domain: string): UnitRef {
  return `${node}/anchor-${domain}`
}

/** Where a credential lies on its holder: as it is declared, or in a folder of its own. */
export function credentialPath(kinds: CredentialKinds, name: string, declaration?: CredentialDeclaration): Template {
  const path = declaration && handoverOf(declaration).path
  if (path !== undefined) return path.startsWith('/') ? path : `@{dir}/${path}`
  const file = kinds.get(declaration?.kind ?? '')?.file
  return `@{dir}/credentials/${name}${file === undefined ? '' : `/${file}`}`
}
