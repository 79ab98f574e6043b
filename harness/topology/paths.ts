import type { Template, UnitRef } from './plan.ts'
import { type CredentialDeclaration, handoverOf } from './schema.ts'

/** Where a node keeps the root of a trust domain. */
export function anchorPath(domain: string): Template {
  return `@{dir}/anchors/${domain}.pem`
}

export function anchorUnit(node: string, domain: string): UnitRef {
  return `${node}/anchor-${domain}`
}

/** Where a credential lies on its holder: a folder with `cert.pem` and `key.pem`, or the file of a token. */
export function credentialPath(name: string, declaration: CredentialDeclaration): Template {
  const { path } = handoverOf(declaration)
  if (path !== undefined) return path.startsWith('/') ? path : `@{dir}/${path}`
  return declaration.kind === 'certificate' ? `@{dir}/credentials/${name}` : `@{dir}/credentials/${name}/token`
}
