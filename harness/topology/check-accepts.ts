import { demandReach } from './check-networks.ts'
import { type Compilation, isDeclared, listenersOf, needAnchor, own } from './compilation.ts'
import { holderOf } from './holders.ts'
import type { Action } from './kind.ts'
import { didYouMean } from './mistakes.ts'
import type { PlanAccept, PlanCredential } from './plan.ts'

type Credentials = ReadonlyMap<string, PlanCredential>
/** One entry of `accepts`, and where it stands. */
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
        const claim = { accept: { target: node, action, credential: name, by }, path }
        const key = `${node} ${action} ${name} ${by ?? ''}`
        if (resolved.has(key)) compilation.mistakes.add(path, `says again that ${node} accepts ${name}`, 'remove it')
        resolved.set(key, claim.accept)
        const planned = credentials.get(name)
        if (found === undefined || planned === undefined) continue
        const caller = by ?? holderOf(planned)
        checkCaller(compilation, claim, planned)
        trustTarget(compilation, caller, node)
        const listener = listenersOf(compilation, node).find((one) => one.name === found.listener)
        const place = [...path, by === undefined ? 'credential' : 'by']
        demandReach(compilation, place, { from: caller, to: node, listener })
        checkClaim(compilation, claim, found, planned)
      }
    }
  }
  return [...resolved.values()]
}

/** A credential that nobody accepts, nothing is presented beside and no unit uses is a mistake, or the forgotten half of one. */
export function checkUse(compilation: Compilation, accepts: readonly PlanAccept[], credentials: Credentials): void {
  const accepted = new Set(accepts.map(({ credential }) => credential))
  const kindOf = ({ kind }: PlanCredential) => compilation.credentialKinds.get(kind)
  const all = [...credentials.values()]
  const beside = new Set(all.flatMap((one) => kindOf(one)?.beside?.(one) ?? []))
  for (const credential of all) {
    const { name } = credential
    const isUsed = beside.has(name) || (kindOf(credential)?.servesUnaccepted && compilation.used.has(name))
    if (accepted.has(name) || isUsed) continue
    const wayOut = 'say in accepts where it is accepted, or remove it'
    compilation.mistakes.add(['credentials', name], 'nobody accepts this credential', wayOut)
  }
}

/** Of one with several holders the caller is one of them; what has one holder can be called with by others as well. */
function checkCaller(
  { credentialKinds, mistakes }: Compilation,
  { accept: { by }, path }: Claim,
  { name, kind, holders }: PlanCredential,
): void {
  if (by === undefined || holders.includes(by) || !credentialKinds.get(kind)?.handover.hasSeveralHolders) return
  const wayOut = `name one of ${holders.join(', ')}, or add "${by}" to its holders`
  mistakes.add([...path, 'by'], `"${by}" does not hold "${name}"`, wayOut)
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

/** An action with the credential kinds that its unit takes, where that says how it judges. */
type TakenAction = Action & { readonly takes?: readonly string[] }

function actionAt(
  compilation: Compilation,
  node: string,
  name: string,
  path: readonly PropertyKey[],
): TakenAction | undefined {
  const actions = new Map<string, TakenAction>()
  for (const { unit, plan } of compilation.drafts.values()) {
    if (unit.node !== node) continue
    for (const [known, action] of Object.entries(plan.actions ?? {})) {
      actions.set(known, { ...action, takes: own(plan.verification ?? {}, known)?.takes.flat() })
    }
  }
  const found = actions.get(name)
  if (found === undefined && !compilation.unknownNodes.has(node)) {
    const wayOut = didYouMean(name, actions.keys(), `it has ${[...actions.keys()].join(', ') || 'none'}`)
    compilation.mistakes.add([...path, 'action'], `nothing on "${node}" has an action "${name}"`, wayOut)
  }
  return found
}

/** Of what the carrier carries, credentials of the kinds that the action takes are accepted, if their kind sees no reason against it. */
function checkClaim(compilation: Compilation, claim: Claim, action: TakenAction, credential: PlanCredential): void {
  const { credentialKinds, mistakes } = compilation
  const { accept, path } = claim
  const { carrier, takes } = action
  const fitting = [...credentialKinds.values()].filter(
    ({ part, name }) => (carrier === 'none') === (part === 'certificate') && (takes?.includes(name) ?? true),
  )
  const kind = fitting.find(({ name }) => name === credential.kind)
  const unknown = takes?.find((name) => !credentialKinds.has(name))
  if (kind !== undefined) {
    for (const [why, wayOut] of kind.unacceptable?.(compilation, accept, action, credential) ?? []) {
      mistakes.add([...path, 'credential'], `"${accept.target}" cannot accept "${credential.name}": ${why}`, wayOut)
    }
  } else if (fitting.length > 0) {
    const wanted = fitting.map(({ name }) => name).join(' or ')
    const message = `"${accept.action}" takes a ${wanted}, and "${credential.name}" is a ${credential.kind}`
    mistakes.add([...path, 'credential'], message, `name a ${wanted}`)
  } else {
    // What it takes is misspelt, or is not what its carrier carries: no credential would do.
    const [message, wayOut] =
      unknown === undefined
        ? [`a ${(takes ?? []).join(' or ')}, and has the carrier "${carrier}"`, 'another carrier']
        : [`a "${unknown}", and there is no such credential kind`, `one of ${[...credentialKinds.keys()].join(', ')}`]
    mistakes.add([...path, 'action'], `"${accept.action}" takes ${message}`, `let its service kind name ${wayOut}`)
  }
}
