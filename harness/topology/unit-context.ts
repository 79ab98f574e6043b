import { resolve } from 'node:path'
import { type AnyUnitContext, type Compilation, type DeclaredUnit, isDeclared, needAnchor, own } from './compilation.ts'
import type { CredentialKindName, PlanCredentialOf } from './credential-types.ts'
import { kindInRole } from './offers.ts'
import { anchorPath, anchorUnit, credentialPath } from './paths.ts'
import type { PlanCredential, Template, UnitRef } from './plan.ts'
import { type CredentialDeclaration, holdersOf } from './schema.ts'

export interface ContextOptions {
  /** Filled with what the unit has to wait for. */
  after?: Set<UnitRef>
  /** Only the listeners are asked for: they are not known yet, and mistakes are reported later. */
  discovery?: boolean
  issued?: readonly PlanCredential[]
}

/** What a service kind sees of the topology while it plans one unit. */
export function unitContext(
  compilation: Compilation,
  unit: DeclaredUnit,
  { after = new Set(), discovery = false, issued = [] }: ContextOptions = {},
): AnyUnitContext {
  const { topology, mistakes, unknownNodes, listeners } = compilation
  const { node } = unit
  const declaration = topology.nodes[node]!
  const at = ['nodes', node, 'units', unit.name]
  /** Where the settings, as they were declared, name something; the settings as a whole when the kind derived the name. */
  const settingOf = (name: string) => {
    const path = pathTo(own(declaration.units, unit.name)?.settings, name)
    return ['settings', ...(path ?? [])]
  }
  const mistake = (path: readonly PropertyKey[], message: string, wayOut?: string) => {
    if (!discovery) mistakes.add([...at, ...path], message, wayOut)
  }

  const heldCredential = (name: string): CredentialDeclaration | undefined => {
    const credential = own(topology.credentials, name)
    if (credential === undefined) {
      if (!discovery) isDeclared(compilation, 'credentials', name, [...at, ...settingOf(name)])
      return undefined
    }
    const holders = holdersOf(credential)
    if (!holders.includes(node)) {
      const wayOut = `give it the holder "${node}", or name a credential that this node holds`
      mistake(settingOf(name), `uses the credential "${name}", which "${holders.join(', ')}" holds`, wayOut)
    }
    if (!discovery) {
      compilation.used.add(name)
      const user = own(declaration.units, unit.name)?.user
      const known = compilation.readers.get(`${node}/${name}`) ?? new Set()
      if (user !== undefined) compilation.readers.set(`${node}/${name}`, known.add(user))
    }
    return credential
  }

  return {
    topology,
    node,
    unit: unit.name,
    host: declaration.host,
    domain: declaration.domain,
    settings: unit.settings,
    anchor(domain): Template {
      if (discovery) return anchorPath(domain)
      // A domain that some node names wrongly is reported there.
      const reported = Object.values(topology.nodes).some((other) => other.domain === domain)
      if (reported && own(topology.trustDomains, domain) === undefined) return anchorPath(domain)
      if (isDeclared(compilation, 'trustDomains', domain, [...at, ...settingOf(domain)])) {
        needAnchor(compilation, node, domain)
        after.add(anchorUnit(node, domain))
      }
      return anchorPath(domain)
    },
    credential(name) {
      const credential = heldCredential(name)
      after.add(`${node}/${name}`)
      return { path: credentialPath(compilation.credentialKinds, name, credential), declaration: credential }
    },
    credentialPath(name) {
      return credentialPath(compilation.credentialKinds, name, heldCredential(name))
    },
    url(target, name, protocol = 'https') {
      const host = own(topology.nodes, target)?.host ?? target
      if (discovery) return `${protocol}://${host}:1`
      const listener = listeners.get(target)?.find((candidate) => candidate.name === name)
      if (listener !== undefined) return `${protocol}://${host}:${listener.port}`
      if (isDeclared(compilation, 'nodes', target, [...at, ...settingOf(target)]) && !unknownNodes.has(target)) {
        const known = listeners.get(target)?.map((candidate) => candidate.name) ?? []
        mistake(
          settingOf(target),
          `needs the listener "${name}" of "${target}", which has ${known.length > 0 ? known.join(', ') : 'none'}`,
          'name a node that runs the right kind of unit',
        )
      }
      return `${protocol}://${host}:1`
    },
    issuer(target) {
      const kind = kindInRole(compilation, 'issuer')
      const found = compilation.offers.get(target)?.get(kind?.name ?? '')
      if (found !== undefined) after.add(found.after ?? found.unit)
      else if (!discovery && isDeclared(compilation, 'nodes', target, [...at, ...settingOf(target)])) {
        mistake(settingOf(target), `"${target}" has no unit that ${kind?.issuing.does}`, 'name a node that has')
      }
      return found?.url ?? 'https://unknown.invalid'
    },
    resolve: (path) => resolve(compilation.folder ?? '.', path),
    issued: <Name extends CredentialKindName>(kind: Name) =>
      issued.filter((one): one is PlanCredential & PlanCredentialOf<Name> => one.kind === kind),
    insiders: () => compilation.insiders,
    mistake: (path, message) => mistake(path === '' ? [] : path.split('.'), message),
  }
}

/** Path of the first text or member name in a value that equals `name`. */
function pathTo(value: unknown, name: string): PropertyKey[] | undefined {
  if (value === name) return []
  if (typeof value !== 'object' || value === null) return undefined
  for (const [key, member] of Object.entries(value)) {
    const part = Array.isArray(value) ? Number(key) : key
    if (part === name) return [part]
    const rest = pathTo(member, name)
    if (rest !== undefined) return [part, ...rest]
  }
  return undefined
}
