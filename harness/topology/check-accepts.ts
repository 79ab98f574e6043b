import { type Compilation, isDeclared, needAnchor, own } from './compilation.ts'
import { holderOf } from './holders.ts'
import type { Action } from './kind.ts'
import { nearest } from './mistakes.ts'
import type { PlanAccept, PlanBoundToken, PlanCertificate, PlanCredential } from './plan.ts'

type Credentials = ReadonlyMap<string, PlanCredential>
interface Claim {
  accept: PlanAccept
  path: readonly PropertyKey[]
}

/** One entry for each target and credential that the topology accepts; those that cannot come true are reported. */
export function resolveAccepts(compilation: Compilation, credentials: Credentials): PlanAccept[] {
  const resolved = new Map<string, PlanAccept>()
  for (const [index, { target, action, credential, by }] of compilation.topology.accepts.entries()) {
    const path = ['accepts', compilation.acceptPlaces[index] ?? index]
    if (by !== undefined && !isDeclared(compilation, 'nodes', by, [...path, 'by'])) continue
    for (const node of declaredNames(compilation, 'nodes', target, [...path, 'target'])) {
      const found = actionAt(compilation, node, action, path)
      for (const name of declaredNames(compilation, 'credentials', credential, [...path, 'credential'])) {
        const accept = { target: node, action, credential: name, by }
        const key = `${node} ${action} ${name} ${by ?? ''}`
        if (resolved.has(key)) compilation.mistakes.add(path, `says again that ${node} accepts ${name}`, 'remove it')
        resolved.set(key, accept)
        const resolvedCredential = credentials.get(name)
        if (found !== undefined && resolvedCredential !== undefined) {
          trustTarget(compilation, by ?? holderOf(resolvedCredential), node)
          checkClaim(compilation, { accept, path }, found, resolvedCredential)
        }
      }
    }
  }
  return [...resolved.values()]
}

/** A credential that nobody accepts, nothing is bound to and no unit uses is a mistake, or the forgotten half of one. */
export function checkUse(compilation: Compilation, accepts: readonly PlanAccept[], credentials: Credentials): void {
  const accepted = new Set(accepts.map(({ credential }) => credential))
  const bound = new Set([...credentials.values()].map((one) => (one.kind === 'bound-token' ? one.boundTo : '')))
  for (const { name, kind } of credentials.values()) {
    const isUsed = kind === 'certificate' && (bound.has(name) || compilation.used.has(name))
    if (accepted.has(name) || isUsed) continue
    const wayOut = 'say in accepts where it is accepted, or remove it'
    compilation.mistakes.add(['credentials', name], 'nobody accepts this credential', wayOut)
  }
}

/** Whoever calls a target verifies its certificate first. */
function trustTarget(compilation: Compilation, caller: string, target: string): void {
  const domain = own(compilation.topology.nodes, target)?.domain
  if (domain !== undefined && own(compilation.topology.trustDomains, domain)) needAnchor(compilation, caller, domain)
}

function declaredNames(
  compilation: Compilation,
  register: 'nodes' | 'credentials',
  oneOrMore: string | readonly string[],
  path: readonly PropertyKey[],
): string[] {
  if (typeof oneOrMore === 'string') return isDeclared(compilation, register, oneOrMore, path) ? [oneOrMore] : []
  return oneOrMore.filter((name, index) => isDeclared(compilation, register, name, [...path, index]))
}

function actionAt(
  compilation: Compilation,
  node: string,
  name: string,
  path: readonly PropertyKey[],
): Action | undefined {
  const actions = new Map<string, Action>()
  for (const unit of compilation.units.values()) {
    if (unit.node !== node) continue
    for (const [known, action] of Object.entries(compilation.actions.get(unit.ref) ?? {})) actions.set(known, action)
  }
  const found = actions.get(name)
  if (found === undefined && !compilation.unknownNodes.has(node)) {
    const known = actions.size === 0 ? 'none' : [...actions.keys()].join(', ')
    const meant = nearest(name, actions.keys())
    const wayOut = meant === undefined ? `it has ${known}` : `did you mean "${meant}"?`
    compilation.mistakes.add([...path, 'action'], `nothing on "${node}" has an action "${name}"`, wayOut)
  }
  return found
}

function checkClaim(compilation: Compilation, claim: Claim, action: Action, credential: PlanCredential): void {
  const { accept, path } = claim
  const wanted = action.carrier === 'bearer' ? 'bound-token' : 'certificate'
  if (credential.kind !== wanted) {
    compilation.mistakes.add(
      [...path, 'credential'],
      `"${accept.action}" takes a ${wanted}, and "${credential.name}" is a ${credential.kind}`,
      `name a ${wanted}`,
    )
  } else if (credential.kind === 'bound-token') checkToken(compilation, claim, action, credential)
  else checkCertificate(compilation, claim, credential)
}

function checkCertificate(compilation: Compilation, { accept, path }: Claim, certificate: PlanCertificate): void {
  const { topology, authorities, anchors, mistakes } = compilation
  const { target } = accept
  const domain = authorities.get(certificate.issuer)?.domain
  const home = own(topology.nodes, target)?.domain
  if (domain === undefined || home === undefined || domain === home || anchors.get(target)?.has(domain)) return
  mistakes.add(
    [...path, 'credential'],
    `"${target}" cannot accept "${certificate.name}": it has no root of "${domain}", whose CA signs it`,
    `name a certificate of "${home}", or make a unit of "${target}" trust "${domain}"`,
  )
}

function checkToken(
  { topology, mistakes }: Compilation,
  { accept, path }: Claim,
  { demands }: Action,
  token: PlanBoundToken,
): void {
  const { target } = accept
  const node = own(topology.nodes, target)
  const domain = node && own(topology.trustDomains, node.domain)
  if (node === undefined || domain === undefined) return
  const refuse = (message: string, wayOut: string) =>
    mistakes.add([...path, 'credential'], `"${target}" cannot accept "${token.name}": ${message}`, wayOut)
  const believed = demands?.issuer ?? domain.issuer
  if (believed !== token.issuer) {
    const trusted = believed === undefined ? 'no issuer' : `"${believed}" only`
    refuse(`"${token.issuer}" mints it, and "${target}" believes ${trusted}`, 'name a token of that issuer')
  }
  const audiences = audiencesOf(demands?.audience, node.host, domain.peeringAudience)
  if (!token.audience.some((uri) => audiences.includes(uri))) {
    refuse(`its audience is ${token.audience.join(', ')}`, `give it ${audiences.join(' or ')}`)
  }
  if (token.nodes !== undefined && !token.nodes.includes(target)) {
    refuse(`it is for ${token.nodes.join(', ')} only`, `add "${target}" to its nodes`)
  }
  const missing = (demands?.scope ?? []).filter((scope) => !token.scope.includes(scope))
  if (missing.length > 0) refuse(`"${accept.action}" needs the scope ${missing.join(' ')}`, 'add it to its scope')
}

function audiencesOf(
  demanded: NonNullable<Action['demands']>['audience'],
  host: string,
  peeringAudience: string | undefined,
): readonly string[] {
  if (Array.isArray(demanded)) return demanded
  const own = `https://${host}`
  return demanded === 'own' || peeringAudience === undefined ? [own] : [own, peeringAudience]
}
