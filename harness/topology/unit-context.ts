import { resolve } from 'node:path'
import { demandFound } from './check-networks.ts'
import { type Compilation, type DeclaredUnit, isDeclared, listenersOf, needAnchor, own } from './compilation.ts'
import type { CredentialKindName, PlanCredentialOf } from './credential-types.ts'
import type { UnitContext } from './kind.ts'
import { kindInRole, offerOf } from './offers.ts'
import { anchorPath, anchorUnit, credentialPath } from './paths.ts'
import type { PlanCredential, UnitRef } from './plan.ts'
import { type CredentialDeclaration, holdersOf } from './schema.ts'

/** What a service kind sees of the topology while it plans one unit. `after` is filled with what the unit has to wait for. */
export function unitContext(
  compilation: Compilation,
  unit: DeclaredUnit,
  { after = new Set<UnitRef>(), issued = [] as readonly PlanCredential[] } = {},
): UnitContext<unknown> {
  const { topology, mistakes, unknownNodes, credentialKinds, readers } = compilation
  const { node, declared } = unit
  const { host, domain } = topology.nodes[node]!
  const at = ['nodes', node, 'units', unit.name]
  /** Where the settings, as they were declared, name something; the settings as a whole when the kind derived the name. */
  const settingOf = (name: string) => [...at, 'settings', ...(pathTo(declared.settings, name) ?? [])]
  const isNamed = (register: 'trustDomains' | 'nodes' | 'credentials', name: string) =>
    isDeclared(compilation, register, name, settingOf(name))

  const heldCredential = (name: string): CredentialDeclaration | undefined => {
    const credential = own(topology.credentials, name)
    if (credential === undefined) {
      isNamed('credentials', name)
      return undefined
    }
    const holders = holdersOf(credential)
    if (!holders.includes(node)) {
      const wayOut = `give it the holder "${node}", or name a credential that this node holds`
      mistakes.add(settingOf(name), `uses the credential "${name}", which "${holders.join(', ')}" holds`, wayOut)
    }
    compilation.used.add(name)
    const known = readers.get(`${node}/${name}`) ?? new Set()
    if (declared.user !== undefined) readers.set(`${node}/${name}`, known.add(declared.user))
    return credential
  }

  const anchor = (of: string) => {
    // A domain that some node names wrongly is reported there.
    const reported = Object.values(topology.nodes).some((other) => other.domain === of)
    if ((!reported || own(topology.trustDomains, of) !== undefined) && isNamed('trustDomains', of)) {
      needAnchor(compilation, node, of)
      after.add(anchorUnit(node, of))
    }
    return anchorPath(of)
  }

  return {
    ...{ topology, node, unit: unit.name, host, domain, settings: unit.settings },
    anchor,
    credential(name) {
      const declaration = heldCredential(name)
      after.add(`${node}/${name}`)
      return { path: credentialPath(credentialKinds, name, declaration), declaration }
    },
    credentialPath: (name) => credentialPath(credentialKinds, name, heldCredential(name)),
    url(target, name, protocol = 'https') {
      const listeners = listenersOf(compilation, target)
      const found = listeners.find((candidate) => candidate.name === name)
      if (found === undefined && isNamed('nodes', target) && !unknownNodes.has(target)) {
        const known = listeners.map((candidate) => candidate.name).join(', ') || 'none'
        const message = `needs the listener "${name}" of "${target}", which has ${known}`
        mistakes.add(settingOf(target), message, 'name a node that runs the right kind of unit')
      }
      demandFound(compilation, settingOf(target), { from: node, to: target, listener: found })
      return `${protocol}://${own(topology.nodes, target)?.host ?? target}:${found?.port ?? 1}`
    },
    issuer(target) {
      const kind = kindInRole(compilation, 'issuer')
      const found = kind && offerOf(compilation, kind.name, target)
      if (found !== undefined) {
        after.add(found.after ?? found.unit)
        demandFound(compilation, settingOf(target), { from: node, to: target })
      } else if (isNamed('nodes', target)) {
        const message = `"${target}" has no unit that ${kind?.issuing.does}`
        mistakes.add(settingOf(target), message, 'name a node that has')
      }
      return found?.url ?? 'https://unknown.invalid'
    },
    issuerAnchor(target) {
      const kind = kindInRole(compilation, 'issuer')
      return (kind && offerOf(compilation, kind.name, target)?.ca) ?? anchor(domain)
    },
    resolve: (path) => resolve(compilation.folder ?? '.', path),
    issued: <Name extends CredentialKindName>(kind: Name) =>
      issued.filter((one): one is PlanCredential & PlanCredentialOf<Name> => one.kind === kind),
    insiders: () =>
      [...compilation.drafts.values()].flatMap(({ unit: { node }, plan: { insider } }) =>
        insider ? { node, insider } : [],
      ),
    mistake: (path, message) => mistakes.add([...at, ...(path === '' ? [] : path.split('.'))], message),
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
