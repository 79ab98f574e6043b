import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { KeptSite } from '../site/kept-site.ts'
import type { Plan } from '../topology/plan.ts'
import { paint, seconds } from './output.ts'
import type { PastedCredentials } from './pasted-credentials.ts'
import { type Programs, programsOf } from './pasted-programs.ts'
import { type DescribableNode, type DescribableSite, fill, possibleCalls } from './possible-calls.ts'

export type SiteDescription = ReturnType<typeof describeSite>
type NodeDescription = ReturnType<typeof describeNode>

/** What `up` tells about a site that is ready: this is also its JSON. `pid` is the process that holds the site; it ends with it. */
export function describeSite(
  site: DescribableSite,
  pid = process.pid,
  programs: Programs = {},
  pasted: PastedCredentials = new Map(),
) {
  return {
    run: site.run,
    topology: site.plan.topology,
    backend: site.backend,
    pid,
    evidence: site.evidence,
    nodes: [...site.nodes.values()].map((node) => describeNode(site, node, programs, pasted)),
  }
}

function describeNode(site: DescribableSite, node: DescribableNode, programs: Programs, pasted: PastedCredentials) {
  const planned = site.plan.nodes[node.name]!
  const services = planned.units.flatMap(({ name, service }) => (service === undefined ? [] : [{ name, ...service }]))
  return {
    name: node.name,
    host: node.host,
    domain: planned.domain,
    address: node.address,
    ...(planned.networks && { addresses: node.addresses }),
    dir: node.dir,
    /** What to put before a command so that it runs on the node; absent where that is no other place. */
    enter: node.enter,
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
    calls: possibleCalls(site, node, services, { programs, pasted }),
  }
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
  const site = { ...kept, plan, nodes, timings: new Map(kept.timings) }
  return renderSite(describeSite(site, kept.pid, await programsOf(plan)))
}

const certificateText: Readonly<Record<string, string>> = {
  none: 'no client certificate',
  requested: 'client certificate asked for',
  required: 'client certificate required',
}

function renderNode(node: NodeDescription): string {
  const folder = dirname(node.dir)
  // Where a command is run by another shell, that one knows no variable of this one.
  const isShort = node.enter === undefined && /^[\w@%+=:,./-]+$/.test(folder)
  const listeners = node.listeners.map(({ protocol, port, name, unit, clientCertificate }) => {
    return `  ${protocol}://${node.host}:${port}  ${name} of ${unit}, ${certificateText[clientCertificate]}`
  })
  const calls = node.calls.flatMap(({ summary, command }) => [
    `  ${paint('dim', `# ${summary}`)}`,
    `  ${isShort ? command.replaceAll(`${folder}/`, '$D/') : command}`,
  ])
  const units = node.units.flatMap(({ name, ms = 0, logs, decisions }) => [
    ...(logs ? [`  ${name}: ready after ${seconds(ms)}, logs ${logs}`] : []),
    ...(logs && decisions ? [`  ${name}: decisions ${decisions}`] : []),
  ])
  return [
    `${paint('bold', node.name)}  ${node.host}  ${addressText(node)}  (${node.domain})`,
    ...listeners,
    ...(calls.length > 0 && isShort ? [`  D=${folder}`] : []),
    ...calls,
    ...units,
    `  directory ${node.dir}`,
    ...(node.enter ? [`  a shell there: ${[...node.enter, 'sh'].join(' ')}`] : []),
  ].join('\n')
}

/** Where the topology declares networks, with that of each address. */
function addressText({ address, addresses }: NodeDescription): string {
  if (addresses === undefined) return address
  return Object.entries(addresses)
    .map(([network, one]) => `${one} in ${network}`)
    .join(', ')
}
