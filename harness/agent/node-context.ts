import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { redact } from '../credentials/secrets.ts'
import { HoldfastError } from '../errors.ts'
import type { SiteEvent } from '../evidence/event.ts'
import { discovered } from '../tokens/metadata.ts'
import { addressSeen, callNetwork, listenerAt, networkOf } from '../topology/networks.ts'
import type { HttpCall, Plan, PlanNode, PlanUnit, UnitRef } from '../topology/plan.ts'
import type { WorkAhead } from './ahead.ts'
import { inTurn } from './call-turn.ts'
import { type OneAnswer, readTls, request } from './https-request.ts'
import type { HandedOver, HandOver, RunSettings } from './protocol.ts'
import type { FileDemand } from './secret-file.ts'
import { fillJson, type TemplateContext } from './template.ts'

/** Distributes over the union, so that each kind of event keeps its members. */
export type Unplaced<Event> = Event extends SiteEvent ? Omit<Event, 'at' | 'node'> : never

/** What all parts of a node agent share. Templates are filled by it; without a unit, `@{unit}` is unknown. */
export interface NodeContext extends TemplateContext {
  readonly plan: Plan
  readonly node: PlanNode
  /** The unit that something is done for. */
  readonly unit?: PlanUnit
  /** Both, for errors: `node`, or `node/unit`. */
  readonly ref: string
  readonly settings: RunSettings
  readonly ahead: WorkAhead
  /** Tells the coordinator, without any secret that is known here. */
  emit(event: Unplaced<SiteEvent>): void
  /** What is about to be written is a secret from now on, unless everybody on the node may read it. */
  learn(content: string | Uint8Array, demand: Pick<FileDemand, 'mode'>): void
  /** Asks the agent of another node to serve a hand-over. */
  serve<Asked extends HandOver>(node: string, handOver: Asked): Promise<HandedOver[Asked['kind']]>
}

export interface UnitContext extends NodeContext {
  readonly unit: PlanUnit
  readonly unitDir: string
  readonly ref: UnitRef
}

export function contextOf(context: NodeContext, unit: PlanUnit): UnitContext {
  const { network, name } = unit
  const address = (network === undefined ? undefined : context.addressOf?.({ network })) ?? context.address
  return { ...context, address, unit, unitDir: unitFolder(context, name), ref: `${context.node.name}/${name}` }
}

/** The addresses that a node knows: its own, at home or where a unit of it is, and those of the plan by what names them. */
export function addressesFor(
  node: string,
  { nodes }: Pick<Plan, 'nodes'>,
  { addresses }: Pick<RunSettings, 'addresses'>,
  unit: { network?: string | undefined } = {},
): Required<Pick<TemplateContext, 'address' | 'addressOf'>> {
  const addressOf: TemplateContext['addressOf'] = (named) => addressSeen(addresses, nodes, { from: node, ...named })
  return { address: addresses[node]![networkOf(nodes[node]!, unit)]!, addressOf }
}

/** Where a host of the plan is for this node, and from which of its own addresses it calls there. Undefined for who is no node. */
export function wayTo(
  { plan, node, unit, addressOf }: Pick<NodeContext, 'plan' | 'node' | 'unit' | 'addressOf'>,
  url: string,
): { address: string; localAddress: string } | undefined {
  const { hostname } = new URL(url)
  const there = Object.values(plan.nodes).find(({ host }) => host === hostname)
  if (there === undefined) return undefined
  // Another unit of its own node may have the same port in another network.
  const own = there.name === node.name && unit !== undefined ? [unit] : []
  const network = callNetwork(node, there, listenerAt([...own, ...there.units], url) ?? own[0])
  const [far, near] = [there.name, node.name].map((to) => network && addressOf?.({ to, network }))
  return far && near ? { address: far, localAddress: near } : undefined
}

export function unitFolder({ dir }: Pick<NodeContext, 'dir'>, unit: string): string {
  return join(dir, 'units', unit)
}

/** Says in the log what failed meanwhile, and goes on. */
export function told({ emit }: NodeContext, what: string): (cause: Error) => void {
  return ({ message }) => emit({ event: 'log', unit: 'agent', stream: 'stderr', line: `${what} failed: ${message}` })
}

/** A call did not answer what the plan expects. Code `HOLDFAST_CALL_UNEXPECTED`. */
export class UnexpectedAnswer extends HoldfastError {
  constructor(call: HttpCall, status: number, text: string) {
    super(
      'HOLDFAST_CALL_UNEXPECTED',
      `${call.method} ${call.url} answered ${status} instead of ${call.expect.join(' or ')}: ${redact(text).slice(0, 300)}`,
    )
  }
}

/** Makes a call of the plan from this node: its own address, its own files. Any status resolves. */
export async function callFromNode(context: NodeContext, call: HttpCall, place: string): Promise<OneAnswer> {
  const { method, url: asked, discover, tls: files, bearer: file, json, form } = fillJson(call, context, place)
  const [tls, bearer] = await Promise.all([readTls(files), file && readBearer(file)])
  // Who is no node is reached from where this machine reaches it.
  const at = (url: string) => ({ url, ...wayTo(context, url), tls, timeoutMs: 10_000 })
  const metadata = async (url: string) => {
    const { status, json, text } = await request({ method: 'GET', ...at(url) })
    if (status !== 200) throw new UnexpectedAnswer({ method: 'GET', url, tls: files, expect: [200] }, status, text)
    return json
  }
  const url = discover === undefined ? asked : await discovered(asked, discover, metadata)
  return inTurn(() => request({ method, ...at(url), json, form, bearer }))
}

async function readBearer(file: string): Promise<string> {
  return (await readFile(file, 'utf8')).trim()
}

/** The same, and any status that the plan does not expect rejects. */
export async function expectedCall(context: NodeContext, call: HttpCall, place = context.ref): Promise<OneAnswer> {
  const answer = await callFromNode(context, call, place)
  if (!call.expect.includes(answer.status)) throw new UnexpectedAnswer(call, answer.status, answer.text)
  return answer
}
