import { addIssues, isObject } from './check-shape.ts'
import { type Compilation, checkName, type DeclaredUnit, isDeclared, own } from './compilation.ts'
import { didYouMean } from './mistakes.ts'
import { checkReferences } from './resolve-credentials.ts'
import { type Topology, type UnitDeclaration, unitSchema } from './schema.ts'

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
function checkUnit(
  { kinds, mistakes }: Compilation,
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

/**
 * Declarations that do not fit the schema were taken out of the topology. What can be told of their other members is told
 * here, so that mending one mistake does not bring up the next.
 */
export function checkMalformed(compilation: Compilation, value: unknown): void {
  const { topology } = compilation
  const { nodes, credentials, accepts } = value as Record<keyof Topology, Readonly<Record<string, unknown>>>
  for (const [name, node] of Object.entries(nodes)) {
    if (own(topology.nodes, name) !== undefined || !isObject(node)) continue
    checkName(compilation, 'trustDomains', node.domain, ['nodes', name, 'domain'])
    for (const [unit, declared] of Object.entries(isObject(node.units) ? node.units : {})) {
      const { data } = unitSchema.safeParse(declared)
      if (data !== undefined) checkUnit(compilation, name, unit, data)
    }
  }
  for (const [name, credential] of Object.entries(credentials)) {
    if (own(topology.credentials, name) !== undefined || !isObject(credential)) continue
    checkReferences(compilation, credential, ['credentials', name])
  }
  for (const [index, accept] of Object.values(accepts).entries()) {
    if (!isObject(accept)) continue
    checkName(compilation, 'nodes', accept.target, ['accepts', index, 'target'])
    checkName(compilation, 'credentials', accept.credential, ['accepts', index, 'credential'])
  }
}
