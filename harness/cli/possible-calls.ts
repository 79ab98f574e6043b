import { dirname } from 'node:path'
import type { Site, SiteNode } from '../backends/backend.ts'
import { hostsFileOf } from '../backends/launched-site.ts'
import type { CredentialKind } from '../credentials/credential-kind.ts'
import type { Places } from '../credentials/parts.ts'
import { backend, credentialKinds, protocols } from '../shipped.ts'
import { rendered } from '../site/site-files.ts'
import { targetOf } from '../site/targets.ts'
import { callerOf, holderOf, placeOf } from '../topology/holders.ts'
import { networkOf } from '../topology/networks.ts'
import { anchorPath } from '../topology/paths.ts'
import { hearsPlainly, type PlanAccept, type PlanCredential, type Service, type Template } from '../topology/plan.ts'
import type { ActionVerification } from '../topology/verification.ts'
import type { PastedCredentials } from './pasted-credentials.ts'
import type { Programs } from './pasted-programs.ts'

// The calls that whoever stood a site up can make himself: as commands to paste, with what comes then.

/** What of a site is described: it may be held by another process. */
export type DescribableSite = Pick<Site, 'run' | 'plan' | 'backend' | 'evidence' | 'timings'> & {
  readonly nodes: ReadonlyMap<string, DescribableNode>
}
export type DescribableNode = Pick<SiteNode, 'name' | 'host' | 'address' | 'addresses' | 'dir' | 'enter'>

export interface PossibleCall {
  summary: string
  command: string
  expected: 'accepted' | 'refused'
}

type Call = Omit<PossibleCall, 'command'> & { command: string | undefined }
type NamedService = Service & { name: string }

/** What lies on nodes beside what the plan has there: programs by protocol, and credentials that were made to be called with. */
interface Pasted {
  readonly programs: Programs
  readonly pasted: PastedCredentials
}

/** At one node; none where a protocol has no command line. */
export function possibleCalls(
  site: DescribableSite,
  node: DescribableNode,
  services: readonly NamedService[],
  pasted: Pasted,
): PossibleCall[] {
  const ready = services.map((service) => readinessCall(site, node, service))
  const calls = [...ready, ...credentialCalls(site, node, pasted), ...pastedCalls(site, node, pasted)]
  return calls.flatMap((call) => (call?.command === undefined ? [] : [{ ...call, command: call.command }]))
}

function readinessCall(site: DescribableSite, node: DescribableNode, service: NamedService): Call | undefined {
  const { name, ready } = service
  if (!('http' in ready) || ready.http.tls === undefined) return undefined
  const { url, address, tls } = ready.http
  const at = (template: Template) => fill(site, node.name, template, name)
  const { hostname, port, pathname, search } = new URL(at(url))
  const command = protocols.get('http')?.paste?.({
    request: { path: pathname + search },
    host: hostname,
    port: Number(port || 443),
    address:
      address ??
      addressAt(
        site,
        node,
        site.plan.nodes[node.name]!.units.find((unit) => unit.name === name),
      ),
    anchor: at(tls.ca),
    certificate: tls.cert && tls.key ? { cert: at(tls.cert), key: at(tls.key) } : undefined,
    enter: node.enter,
  })
  return { summary: `is ${name} ready`, command, expected: 'accepted' }
}

/**
 * One command for each credential that the topology says is accepted here, made as its holder would. Below them, what is refused: with the
 * first that is bound, the same without it, and over somebody else's certificate; with each that is good by itself, something else.
 */
function credentialCalls(site: DescribableSite, node: DescribableNode, pasted: Pasted): Call[] {
  const makers = site.plan.accepts
    .filter(({ target, credential }) => target === node.name && !pasted.pasted.has(credential))
    .map((accept) => new CallsOf(site, node, pasted, accept))
  const bound = makers.find(({ isBound }) => isBound)
  const others = makers.filter(({ isGoodAlone, name }, at) => {
    return isGoodAlone && makers.findIndex((one) => one.name === name) === at
  })
  return [...makers.map((one) => one.accepted()), ...(bound?.spoiled() ?? []), ...others.map((one) => one.refused())]
}

/**
 * The same with what was made to be called with, credential by credential. Each may be good for as many actions as its target has rows: of
 * those that differ in what follows the slash one is enough.
 */
function pastedCalls(site: DescribableSite, node: DescribableNode, pasted: Pasted): Call[] {
  return [...pasted.pasted.keys()].flatMap((name) => {
    const own = site.plan.accepts.filter(({ target, credential }) => target === node.name && credential === name)
    const firsts = own.filter(({ action }, at) => at === own.findIndex((one) => verbOf(one) === verbOf({ action })))
    const makers = firsts.map((accept) => new CallsOf(site, node, pasted, accept))
    return [...makers.map((one) => one.accepted()), ...makers.slice(0, 1).map((one) => one.refused())]
  })
}

function verbOf({ action }: Pick<PlanAccept, 'action'>): string {
  return action.split('/')[0]!
}

/** The calls that can be made with what one `accepts` names. */
class CallsOf {
  readonly name: string
  readonly #site: DescribableSite
  readonly #node: DescribableNode
  readonly #pasted: Pasted
  readonly #action: string
  readonly #caller: string
  readonly #own: PlanCredential
  readonly #kind: CredentialKind
  readonly #beside: readonly PlanCredential[]

  constructor(site: DescribableSite, node: DescribableNode, pasted: Pasted, accept: PlanAccept) {
    this.#site = site
    this.#node = node
    this.#pasted = pasted
    this.#action = accept.action
    this.#caller = callerOf(site.plan, accept)
    this.name = accept.credential
    this.#own = site.plan.credentials[this.name]!
    this.#kind = kindOf(this.#own)
    this.#beside = this.#kind.beside?.(this.#own).map((one) => site.plan.credentials[one]!) ?? []
  }

  get isGoodAlone(): boolean {
    return this.#kind.isGoodOverAny === true
  }

  /** To what it is presented beside. */
  get isBound(): boolean {
    return this.#beside.length > 0 && !this.isGoodAlone
  }

  accepted(): Call {
    return { summary: this.#text(this.#action), command: this.#command(), expected: 'accepted' }
  }

  /** Without it, and over somebody else's certificate. */
  spoiled(): Call[] {
    const { verification } = targetOf(this.#site, this.#node.name, this.#action)
    const other = verification && otherHolder(this.#site, this.#beside[0], verification)
    // Where nodes have files of their own, nobody has his own certificate and the token of another one in one place.
    const { ownKernel, remoteHosts } = backend(this.#site.backend).capabilities
    const stolen = other && !ownKernel && !remoteHosts ? placesOf(this.#site, other) : undefined
    const name = this.#action
    return [
      this.#refused(`${name} without the token`, this.#command({ [this.#kind.part]: undefined })),
      ...(stolen ? [this.#refused(`${name} with the token stolen, over ${other!.name}`, this.#command(stolen))] : []),
    ]
  }

  /** Something that it is not accepted for; else the same without what must come with it, or without itself. */
  refused(): Call {
    const beyond = this.#notAccepted()
    if (beyond !== undefined) return this.#refused(this.#text(beyond), this.#command({}, beyond))
    const companion = this.#beside.find((one) => kindOf(one).part !== 'certificate')
    const missing = companion ?? this.#own
    const summary = `${this.#action} as ${this.#caller}, without ${missing.name}`
    return this.#refused(summary, this.#command({ [kindOf(missing).part]: undefined }))
  }

  /** An action that takes such credentials, and not this one. */
  #notAccepted(): string | undefined {
    const { nodes, accepts } = this.#site.plan
    const kinds = [...this.#beside, this.#own].map(({ kind }) => kind).toSorted()
    const takesThem = ({ takes }: ActionVerification) => takes.some((some) => some.toSorted().join() === kinds.join())
    const actions = nodes[this.#node.name]!.units.flatMap(({ verification = {} }) => Object.entries(verification))
    const isAccepted = (action: string) =>
      accepts.some((one) => one.target === this.#node.name && one.action === action && one.credential === this.name)
    return actions.find(([action, verification]) => takesThem(verification) && !isAccepted(action))?.[0]
  }

  #text(action: string): string {
    return `${action} as ${this.#caller}, with ${this.name}`
  }

  #refused(summary: string, command: string | undefined): Call {
    return { summary: `refused: ${summary}`, command, expected: 'refused' }
  }

  #command(changed: Places = {}, name = this.#action): string | undefined {
    const [site, node] = [this.#site, this.#node]
    const { action, listener, domain } = targetOf(site, node.name, name)
    const [[spoken, request] = ['', undefined]] = Object.entries(action.request)
    const path = this.#pasted.programs[spoken]
    const all = [...this.#beside, this.#own]
    const places = all.map((one) => this.#pasted.pasted.get(one.name) ?? placesOf(site, one, this.#caller))
    // What its holder keeps to itself can be presented by nobody else.
    if (all.some((one, at) => places[at]?.[kindOf(one).part] === undefined)) return undefined
    return protocols.get(spoken)?.paste?.({
      ...{
        request,
        host: node.host,
        port: listener.port,
        address: listener.address ?? addressAt(site, node, listener),
      },
      isPlain: hearsPlainly(listener),
      anchor: fill(site, this.#caller, listener.ca ?? anchorPath(domain)),
      enter: site.nodes.get(this.#caller)?.enter,
      ...(path !== undefined && { program: { path, hosts: hostsSeenBy(site, this.#caller) } }),
      ...Object.assign({}, ...places),
      ...changed,
    })
  }
}

/** One of the same kind and trust domain that another node holds; none that is enough by itself. */
function otherHolder({ plan }: DescribableSite, own: PlanCredential | undefined, verification: ActionVerification) {
  const domainOf = (one: PlanCredential) => plan.nodes[holderOf(one)]?.domain
  return Object.values(plan.credentials).find((other) => {
    const isAnother = other.kind === own?.kind && holderOf(other) !== holderOf(own) && domainOf(other) === domainOf(own)
    return isAnother && !kindOf(other).suffices?.(other, verification)
  })
}

/** Where one lies at a node that calls with it; at its holder where that is another. */
function placesOf(site: DescribableSite, credential: PlanCredential, caller?: string): Places {
  const holder = credential.holders.find((one) => one === caller) ?? holderOf(credential)
  return kindOf(credential).places(fill(site, holder, placeOf(credential, holder)))
}

function kindOf({ kind }: PlanCredential): CredentialKind {
  return credentialKinds.find(({ name }) => name === kind)!
}

/** The hosts that a node finds, in the form of /etc/hosts: where it has none of its own, they lie beside the folder of all nodes. */
function hostsSeenBy(site: DescribableSite, node: string): string {
  if (backend(site.backend).capabilities.ownHosts) return '/etc/hosts'
  return hostsFileOf(dirname(dirname(site.nodes.get(node)!.dir)), site.plan.nodes[node]!)
}

/** The address of a node where a unit or listener of it is. */
function addressAt(
  { plan }: DescribableSite,
  { name, addresses }: DescribableNode,
  at: { network?: string | undefined } = {},
): string {
  return addresses[networkOf(plan.nodes[name]!, at)]!
}

export function fill(site: DescribableSite, node: string, template: string, unit?: string): string {
  return rendered(site, site.nodes.get(node)!, template, unit)
}
