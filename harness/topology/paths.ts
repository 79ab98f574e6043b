import type { CredentialKinds } from './credential-kind.ts'
import type { Template, UnitRef } from './plan.ts'
import { type CredentialDeclaration, handoverOf } from './schema.ts'

/** Where a node keeps the root of a trust domain. */
export function anchorPath(domain: string): Template {
  return `@{dir}/anchors/${domain}.pem`
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
