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
import type { Plan, PlanAccept, PlanCredential, PlanUnit, TlsFiles } from '../topology/plan.ts'
import type { ActionVerification } from '../topology/verification.ts'
import { paint, seconds } from './output.ts'

/** What `up` tells about a site that is ready: this is also its JSON. */
export interface SiteDescription {
  run: string
  topology: string
  backend: string
  /** The process that holds the site; it ends with it. */
  pid: number
  evidence: string
  nodes: NodeDescription[]
}

export interface NodeDescription {
  name: string
  host: string
  domain: string
  address: string
  dir: string
  /** How long its units took until ready, in ms, beginning when what they wait for was ready. */
  units: { name: string; kind: string; summary: string; ms?: number; logs?: string; decisions?: string }[]
  listeners: { unit: string; name: string; port: number; protocol: string; clientCertificate: string }[]
  /** Commands to paste into a shell. */
  calls: CallDescription[]
}

export interface CallDescription {
  summary: string
  command: string
  /** What comes when it is pasted. */
  expected: 'accepted' | 'refused'
}

/** What of a site is described: it may be held by another process. */
export type DescribableSite = Pick<Site, 'run' | 'plan' | 'backend' | 'evidence' | 'timings'> & {
  readonly nodes: ReadonlyMap<string, DescribableNode>
}
type DescribableNode = Pick<SiteNode, 'name' | 'host' | 'address' | 'dir'>

export function describeSite(site: DescribableSite, pid = process.pid): SiteDescription {
  return {
    run: site.run,
    topology: site.plan.topology,
    backend: site.backend,
    pid,
    evidence: site.evidence,
    nodes: [...site.nodes.values()].map((node) => describeNode(site, node)),
  }
}

function describeNode(site: DescribableSite, node: DescribableNode): NodeDescription {
  const planned = site.plan.nodes[node.name]!
  const services = planned.units.filter((unit) => unit.service !== undefined)
  return {
    name: node.name,
    host: node.host,
    domain: planned.domain,
    address: node.address,
    dir: node.dir,
    units: planned.units.map((unit) => ({
      name: unit.name,
      kind: unit.kind,
      summary: unit.summary,
      ms: site.timings.get(`${node.name}/${unit.name}`),
      logs: unit.service && join(site.evidence, 'logs', node.name, `${unit.name}.log`),
      decisions: unit.service?.decisionLog && fill(site, node.name, unit.service.decisionLog, unit.name),
    })),
    listeners: services.flatMap((unit) =>
      unit.service!.listeners.map((listener) => ({ unit: unit.name, ...listener })),
    ),
    calls: [...services.flatMap((unit) => readinessCall(site, node, unit)), ...credentialCalls(site, node)],
  }
}

function readinessCall(site: DescribableSite, node: DescribableNode, unit: PlanUnit): CallDescription[] {
  const { ready } = unit.service!
  if (!('http' in ready) || ready.http.tls === undefined) return []
  const { url, address, tls } = ready.http
  const { hostname, port, pathname, search } = new URL(fill(site, node.name, url, unit.name))
  const command = protocols.get('http')?.paste?.({
    request: { path: pathname + search },
    host: hostname,
    port: Number(port || 443),
    address: address ?? node.address,
    ...tlsFiles(site, node.name, tls, unit.name),
  })
  return described(`is ${unit.name} ready`, command, 'accepted')
}

/** Nothing where its protocol has no command line. */
function described(
  summary: string,
  command: string | undefined,
  expected: CallDescription['expected'],
): CallDescription[] {
  return command === undefined ? [] : [{ summary, command, expected }]
}

/**
 * One command for each credential that the topology says is accepted here, made as its holder would; and below the first that
 * carries a token, the same without it, and over somebody else's certificate.
 */
function credentialCalls(site: DescribableSite, node: DescribableNode): CallDescription[] {
  const possible = site.plan.accepts
    .filter((accept) => accept.target === node.name)
    .map((accept) => possibleCall(site, node, accept))
  const first = possible.find(({ without }) => without !== undefined)
  return [
    ...possible.flatMap(({ summary, paste, call }) => described(summary, paste?.(call), 'accepted')),
    ...(first === undefined ? [] : refusedCalls(first)),
  ]
}

interface PossibleCall {
  summary: string
  action: string
  paste: ((call: Pasted<unknown>) => string) | undefined
  call: Pasted<unknown>
  /** The same without the credential itself, and with it beside that of somebody else who is let in as far. */
  without?: Pasted<unknown>
  stolen?: { over: string; call: Pasted<unknown> }
}

function possibleCall(site: DescribableSite, node: DescribableNode, accept: PlanAccept): PossibleCall {
  const { action: name } = accept
  const credential = site.plan.credentials[accept.credential]!
  const { action, listener, verification, domain } = targetOf(site, node.name, name)
  const [[spoken, request] = ['', undefined]] = Object.entries(action.request)
  const kind = kindOf(credential)
  const beside = kind.beside?.(credential).map((one) => site.plan.credentials[one]!) ?? []
  const caller = callerOf(site.plan, accept)
  const other = verification && otherHolder(site, beside[0], verification)
  const call = {
    ...{ request, host: node.host, port: listener.port, address: listener.address ?? node.address },
    anchor: fill(site, caller, anchorPath(domain)),
    ...Object.assign({}, ...[...beside, credential].map((one) => placesOf(site, one, caller))),
  }
  return {
    summary: `${name} as ${caller}, with ${credential.name}`,
    action: name,
    paste: protocols.get(spoken)?.paste,
    call,
    without: beside.length > 0 ? { ...call, [kind.part]: undefined } : undefined,
    stolen: other && { over: other.name, call: { ...call, ...placesOf(site, other) } },
  }
}

function refusedCalls({ action, paste, without, stolen }: PossibleCall): CallDescription[] {
  const refused = `refused: ${action}`
  return [
    ...described(`${refused} without the token`, without && paste?.(without), 'refused'),
    ...(stolen
      ? described(`${refused} with the token stolen, over ${stolen.over}`, paste?.(stolen.call), 'refused')
      : []),
  ]
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

function tlsFiles(site: DescribableSite, node: string, files: TlsFiles, unit: string) {
  return {
    anchor: fill(site, node, files.ca, unit),
    certificate:
      files.cert && files.key
        ? { cert: fill(site, node, files.cert, unit), key: fill(site, node, files.key, unit) }
        : undefined,
  }
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

function renderNode(node: NodeDescription): string {
  const lines = [`${paint('bold', node.name)}  ${node.host}  ${node.address}  (${node.domain})`]
  for (const listener of node.listeners) {
    const certificate = {
      none: 'no client certificate',
      requested: 'client certificate asked for',
      required: 'client certificate required',
    }
    lines.push(
      `  ${listener.protocol}://${node.host}:${listener.port}  ${listener.name} of ${listener.unit}, ` +
        `${certificate[listener.clientCertificate as keyof typeof certificate]}`,
    )
  }
  const folder = dirname(node.dir)
  const isPlain = /^[\w@%+=:,./-]+$/.test(folder)
  if (node.calls.length > 0 && isPlain) lines.push(`  D=${folder}`)
  for (const { summary, command } of node.calls) {
    lines.push(`  ${paint('dim', `# ${summary}`)}`, `  ${isPlain ? command.replaceAll(`${folder}/`, '$D/') : command}`)
  }
  for (const unit of node.units.filter((candidate) => candidate.logs)) {
    lines.push(`  ${unit.name}: ready after ${seconds(unit.ms ?? 0)}, logs ${unit.logs}`)
    if (unit.decisions) lines.push(`  ${unit.name}: decisions ${unit.decisions}`)
  }
  lines.push(`  directory ${node.dir}`)
  return lines.join('\n')
}
