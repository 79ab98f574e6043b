import { addIssues } from './check-shape.ts'
import { type Compilation, type DeclaredUnit, isDeclared, own } from './compilation.ts'
import { nearest } from './mistakes.ts'
import type { UnitDeclaration } from './schema.ts'

/** Checks names and settings of trust domains, nodes and units, and enters the good units into the compilation. */
export function checkNames(compilation: Compilation): void {
  checkTrustDomains(compilation)
  checkHosts(compilation)
  for (const [node, { domain, units }] of Object.entries(compilation.topology.nodes)) {
    isDeclared(compilation, 'trustDomains', domain, ['nodes', node, 'domain'])
    for (const [name, unit] of Object.entries(units)) enterUnit(compilation, node, name, unit)
  }
  for (const node of compilation.names.nodes) {
    if (own(compilation.topology.nodes, node) === undefined) compilation.unknownNodes.add(node)
  }
}

function checkTrustDomains(compilation: Compilation): void {
  const roles = new Map<string, string>()
  for (const [name, { ca, issuer }] of Object.entries(compilation.topology.trustDomains)) {
    const path = ['trustDomains', name]
    isDeclared(compilation, 'nodes', ca, [...path, 'ca'])
    if (issuer !== undefined) isDeclared(compilation, 'nodes', issuer, [...path, 'issuer'])
    for (const [role, node] of Object.entries({ ca, issuer })) {
      if (node === undefined) continue
      const other = roles.get(`${role} ${node}`)
      if (other !== undefined) {
        compilation.mistakes.add(
          [...path, role],
          `"${node}" is the ${role} of "${other}" already`,
          'give each trust domain its own',
        )
      }
      roles.set(`${role} ${node}`, name)
    }
  }
}

function checkHosts({ topology, mistakes }: Compilation): void {
  const holders = new Map<string, string>()
  for (const [name, { host }] of Object.entries(topology.nodes)) {
    const other = holders.get(host)
    if (other !== undefined) {
      mistakes.add(['nodes', name, 'host'], `"${host}" is the host of "${other}" already`, 'give each node its own')
    }
    holders.set(host, name)
  }
}

function enterUnit(compilation: Compilation, node: string, name: string, unit: UnitDeclaration): void {
  const entered = checkUnit(compilation, node, name, unit)
  if (entered === undefined) compilation.unknownNodes.add(node)
  else compilation.units.set(entered.ref, entered)
}

/** A unit of a known kind with good settings; otherwise reports what is wrong with it. */
export function checkUnit(
  { kinds, mistakes }: Pick<Compilation, 'kinds' | 'mistakes'>,
  node: string,
  name: string,
  unit: UnitDeclaration,
): DeclaredUnit | undefined {
  const path = ['nodes', node, 'units', name]
  const kind = kinds.get(unit.kind)
  if (kind === undefined) {
    const meant = nearest(unit.kind, kinds.keys())
    const wayOut = meant === undefined ? `kinds are ${[...kinds.keys()].join(', ')}` : `did you mean "${meant}"?`
    mistakes.add([...path, 'kind'], `"${unit.kind}" is no service kind`, wayOut)
    return undefined
  }
  const settings = kind.settings.safeParse(unit.settings)
  if (!settings.success) {
    addIssues(mistakes, [...path, 'settings'], settings.error.issues, unit.settings, kind.settings)
    return undefined
  }
  return { ref: `${node}/${name}`, node, name, kind, settings: settings.data }
}
