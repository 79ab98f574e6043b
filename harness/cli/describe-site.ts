import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Site, SiteNode } from '../backends/backend.ts'
import type { CredentialKind } from '../credentials/credential-kind.ts'
import type { Places } from '../credentials/parts.ts'
import type { Pasted } from '../protocols/protocol.ts'
import { credentialKinds, protocols } from '../shipped.ts'
import type { KeptSite } from '../site/kept-site.ts'
import { rendered } from '../site/site-files.ts'
import { targetOf } from '../site/targets.ts'
import { callerOf, holderOf, placeOf } from '../topology/holders.ts'
import { anchorPath } from '../topology/paths.ts'
import type { Plan, PlanAccept, PlanCredential, Service, Template } from '../topology/plan.ts'
import type { ActionVerification } from '../topology/verification.ts'
import { paint, seconds } from './output.ts'

/** What of a site is described: it may be held by another process. */
export type DescribableSite = Pick<Site, 'run' | 'plan' | 'backend' | 'evidence' | 'timings'> & {
  readonly nodes: ReadonlyMap<string, DescribableNode>
}
type DescribableNode = Pick<SiteNode, 'name' | 'host' | 'address' | 'dir'>

export type SiteDescription = ReturnType<typeof describeSite>
type NodeDescription = ReturnType<typeof describeNode>

/** What `up` tells about a site that is ready: this is also its JSON. `pid` is the process that holds the site; it ends with it. */
export function describeSite(site: DescribableSite, pid = process.pid) {
  return {
    run: site.run,
    topology: site.plan.topology,
    backend: site.backend,
    pid,
    evidence: site.evidence,
    nodes: [...site.nodes.values()].map((node) => describeNode(site, node)),
  }
}

function describeNode(site: DescribableSite, node: DescribableNode) {
  const planned = site.plan.nodes[node.name]!
  const services = planned.units.flatMap(({ name, service }) => (service === undefined ? [] : [{ name, ...service }]))
  return {
    name: node.name,
    host: node.host,
    domain: planned.domain,
    address: node.address,
    dir: node.dir,
    units: planned.units.map(({ name, kind, summary, service, decisionLog = service?.decisionLog }) => ({
      name,
      kind,
      summary,
      /** Until ready, beginning when what it waits for was ready. */
      ms: site.timings.get(`${node.name}/${name}`),
      logs: service && join(site.evidence, 'logs', node.name, `${name}.log`),
      decisions: decisionLog && fill(site, node.name, decisionLog, name),
    })),
    listeners: services.flatMap(({ name, listeners }) => listeners.map((listener) => ({ unit: name, ...listener }))),
    /** Commands to paste into a shell, and what comes then; none where a protocol has no command line. */
    calls: [...services.map((service) => readinessCall(site, node, service)), ...credentialCalls(site, node)].flatMap(
      (call) => (call?.command === undefined ? [] : [{ ...call, command: call.command }]),
    ),
  }
}

interface PossibleCall {
  summary: string
  command: string | undefined
  expected: 'accepted' | 'refused'
}

function readinessCall(
  site: DescribableSite,
  node: DescribableNode,
  service: Service & { name: string },
): PossibleCall | undefined {
  const { name, ready } = service
  if (!('http' in ready) || ready.http.tls === undefined) return undefined
  const { url, address, tls } = ready.http
  const at = (template: Template) => fill(site, node.name, template, name)
  const { hostname, port, pathname, search } = new URL(at(url))
  const command = protocols.get('http')?.paste?.({
    request: { path: pathname + search },
    host: hostname,
    port: Number(port || 443),
    address: address ?? node.address,
    anchor: at(tls.ca),
    certificate: tls.cert && tls.key ? { cert: at(tls.cert), key: at(tls.key) } : undefined,
  })
  return { summary: `is ${name} ready`, command, expected: 'accepted' }
}

/**
 * One command for each credential that the topology says is accepted here, made as its holder would; and below the first that
 * carries a token, the same without it, and over somebody else's certificate.
 */
function credentialCalls(site: DescribableSite, node: DescribableNode): PossibleCall[] {
  const accepted = site.plan.accepts.filter(({ target }) => target === node.name)
  const possible = accepted.map((accept) => possibleCalls(site, node, accept))
  return [...possible.map((one) => one.accepted), ...(possible.find((one) => one.refused)?.refused || [])]
}

function possibleCalls(site: DescribableSite, node: DescribableNode, accept: PlanAccept) {
  const { action: name } = accept
  const credential = site.plan.credentials[accept.credential]!
  const { action, listener, verification, domain } = targetOf(site, node.name, name)
  const [[spoken, request] = ['', undefined]] = Object.entries(action.request)
  const paste = protocols.get(spoken)?.paste
  const kind = kindOf(credential)
  const beside = kind.beside?.(credential).map((one) => site.plan.credentials[one]!) ?? []
  const caller = callerOf(site.plan, accept)
  const other = verification && otherHolder(site, beside[0], verification)
  const made: Pasted<unknown> = {
    ...{ request, host: node.host, port: listener.port, address: listener.address ?? node.address },
    anchor: fill(site, caller, listener.ca ?? anchorPath(domain)),
    ...Object.assign({}, ...[...beside, credential].map((one) => placesOf(site, one, caller))),
  }
  const call = (summary: string, expected: PossibleCall['expected'], changed: Places = {}): PossibleCall => {
    return { summary, command: paste?.({ ...made, ...changed }), expected }
  }
  return {
    accepted: call(`${name} as ${caller}, with ${credential.name}`, 'accepted'),
    refused: beside.length > 0 && [
      call(`refused: ${name} without the token`, 'refused', { [kind.part]: undefined }),
      ...(other
        ? [call(`refused: ${name} with the token stolen, over ${other.name}`, 'refused', placesOf(site, other))]
        : []),
    ],
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

function fill(site: DescribableSite, node: string, template: string, unit?: string): string {
  return rendered(site, site.nodes.get(node)!, template, unit)
}

/** The same for people. */
export function renderSite(description: SiteDescription): string {
  const nodes = description.nodes.map(renderNode).join('\n\n')
  return [
    nodes,
    '',
    `run ${paint('bold', description.run)}   evidence  ${description.evidence}`,
    `end it with  npx holdfast down ${description.run}   or Ctrl-C where it runs`,
  ].join('\n')
}

/** How to reach the site of a failed scenario, and how to end it. */
export async function keptText(kept: KeptSite): Promise<string> {
  const plan = JSON.parse(await readFile(join(kept.evidence, 'plan.json'), 'utf8')) as Plan
  const nodes = new Map(kept.nodes.map((node) => [node.name, node]))
  return renderSite(describeSite({ ...kept, plan, nodes, timings: new Map(kept.timings) }, kept.pid))
}

const certificateText: Readonly<Record<string, string>> = {
  none: 'no client certificate',
  requested: 'client certificate asked for',
  required: 'client certificate required',
}

function renderNode(node: NodeDescription): string {
  const folder = dirname(node.dir)
  const isPlain = /^[\w@%+=:,./-]+$/.test(folder)
  const listeners = node.listeners.map(({ protocol, port, name, unit, clientCertificate }) => {
    return `  ${protocol}://${node.host}:${port}  ${name} of ${unit}, ${certificateText[clientCertificate]}`
  })
  const calls = node.calls.flatMap(({ summary, command }) => [
    `  ${paint('dim', `# ${summary}`)}`,
    `  ${isPlain ? command.replaceAll(`${folder}/`, '$D/') : command}`,
  ])
  const units = node.units.flatMap(({ name, ms = 0, logs, decisions }) => [
    ...(logs ? [`  ${name}: ready after ${seconds(ms)}, logs ${logs}`] : []),
    ...(logs && decisions ? [`  ${name}: decisions ${decisions}`] : []),
  ])
  return [
    `${paint('bold', node.name)}  ${node.host}  ${node.address}  (${node.domain})`,
    ...listeners,
    ...(calls.length > 0 && isPlain ? [`  D=${folder}`] : []),
    ...calls,
    ...units,
    `  directory ${node.dir}`,
  ].join('\n')
}
