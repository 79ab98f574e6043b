import { type Compilation, isDeclared, type NodeAuthority, type NodeIssuer } from './compilation.ts'
import { unitContext } from './unit-context.ts'

/** Enters the CA and the auth server of every trust domain into the compilation. */
export function enterIssuers(compilation: Compilation): void {
  for (const [domain, { ca, issuer }] of Object.entries(compilation.topology.trustDomains)) {
    const authority = authorityAt(compilation, ca, domain)
    if (authority !== undefined) compilation.authorities.set(ca, authority)
    if (issuer === undefined) continue
    const tokenIssuer = issuerAt(compilation, issuer, domain)
    if (tokenIssuer !== undefined) compilation.issuers.set(issuer, tokenIssuer)
  }
}

function authorityAt(compilation: Compilation, node: string, domain: string): NodeAuthority | undefined {
  for (const unit of compilation.units.values()) {
    if (unit.node !== node || unit.kind.authority === undefined) continue
    return { ...unit.kind.authority(unitContext(compilation, unit)), domain, unit: unit.ref }
  }
  reportMissing(compilation, node, ['trustDomains', domain, 'ca'], 'signs certificates')
  return undefined
}

function issuerAt(compilation: Compilation, node: string, domain: string): NodeIssuer | undefined {
  for (const unit of compilation.units.values()) {
    if (unit.node !== node || unit.kind.issuer === undefined) continue
    return { ...unit.kind.issuer(unitContext(compilation, unit)), domain }
  }
  reportMissing(compilation, node, ['trustDomains', domain, 'issuer'], 'mints tokens')
  return undefined
}

function reportMissing(compilation: Compilation, node: string, path: readonly string[], does: string): void {
  if (!isDeclared(compilation, 'nodes', node, path) || compilation.unknownNodes.has(node)) return
  const able = [...compilation.kinds.values()].filter((kind) =>
    does === 'mints tokens' ? kind.issuer !== undefined : kind.authority !== undefined,
  )
  const kinds = able.map((kind) => kind.name).join(', ')
  compilation.mistakes.add(path, `"${node}" has no unit that ${does}`, `give it a unit of kind ${kinds}`)
}
