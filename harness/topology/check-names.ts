import { addIssues } from './check-shape.ts'
import { type Compilation, type DeclaredUnit, isDeclared, own } from './compilation.ts'
import { didYouMean } from './mistakes.ts'
import type { UnitDeclaration } from './schema.ts'

/** Checks names and settings of trust domains, nodes and units, and enters the good units into the compilation. */
export function checkNames(compilation: Compilation): void {
  const { topology, names, units, unknownNodes } = compilation
  checkTrustDomains(compilation)
  const demandOwnHost = distinct(compilation, 'node')
  for (const [name, { host }] of Object.entries(topology.nodes)) demandOwnHost(['nodes', name, 'host'], host)
  for (const [node, declared] of Object.entries(topology.nodes)) {
    isDeclared(compilation, 'trustDomains', declared.domain, ['nodes', node, 'domain'])
    for (const [name, unit] of Object.entries(declared.units)) {
      const entered = checkUnit(compilation, node, name, unit)
      if (entered === undefined) unknownNodes.add(node)
      else units.set(entered.ref, entered)
    }
  }
  for (const node of names.nodes) if (own(topology.nodes, node) === undefined) unknownNodes.add(node)
}

function checkTrustDomains(compilation: Compilation): void {
  const demandOwn = distinct(compilation, 'trust domain')
  for (const [domain, { ca, issuer }] of Object.entries(compilation.topology.trustDomains)) {
    const roles = Object.entries({ ca, ...(issuer !== undefined && { issuer }) })
    for (const [role, node] of roles) isDeclared(compilation, 'nodes', node, ['trustDomains', domain, role])
    for (const [role, node] of roles) demandOwn(['trustDomains', domain, role], node)
  }
}

/** Reports what has a value that another one has at the same member, each by the one before it. */
function distinct({ mistakes }: Compilation, what: string) {
  const owners = new Map<string, string>()
  return ([register, name, member]: [string, string, string], value: string): void => {
    const other = owners.get(`${member} ${value}`)
    if (other !== undefined) {
      const message = `"${value}" is the ${member} of "${other}" already`
      mistakes.add([register, name, member], message, `give each ${what} its own`)
    }
    owners.set(`${member} ${value}`, name)
  }
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
    const wayOut = didYouMean(unit.kind, kinds.keys(), `kinds are ${[...kinds.keys()].join(', ')}`)
    mistakes.add([...path, 'kind'], `"${unit.kind}" is no service kind`, wayOut)
    return undefined
  }
  const settings = kind.settings.safeParse(unit.settings)
  if (!settings.success) {
    addIssues(mistakes, [...path, 'settings'], settings.error.issues, unit.settings, kind.settings)
    return undefined
  }
  return { ref: `${node}/${name}`, node, name, declared: unit, kind, settings: settings.data }
}
