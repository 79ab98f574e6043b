import { join } from 'node:path'
import { redact } from '../credentials/secrets.ts'
import { HoldfastError } from '../errors.ts'
import type { SiteEvent } from '../evidence/event.ts'
import type { HttpCall, Plan, PlanNode, Step, UnitRef } from '../topology/plan.ts'
import type { WorkAhead } from './ahead.ts'
import { readTls, request } from './https-request.ts'
import type { HandedOver, HandOver, RunSettings, StepPath } from './protocol.ts'
import type { FileDemand } from './secret-file.ts'
import { fill, fillJson, type TemplateContext } from './template.ts'

/** Distributes over the union, so that each kind of event keeps its members. */
type Unplaced<Event> = Event extends SiteEvent ? Omit<Event, 'at' | 'node'> : never

/** What all parts of a node agent share. */
export interface NodeContext {
  readonly plan: Plan
  readonly node: PlanNode
  readonly dir: string
  readonly address: string
  readonly settings: RunSettings
  readonly ahead: WorkAhead
  /** Tells the coordinator, without any secret that is known here. */
  emit(event: Unplaced<SiteEvent>): void
  /** What is about to be written is a secret from now on, unless everybody on the node may read it. */
  learn(content: string | Uint8Array, demand: Pick<FileDemand, 'mode'>): void
  /** Asks the agent of another node to serve a hand-over. */
  serve<Asked extends HandOver>(node: string, handOver: Asked): Promise<HandedOver[Asked['kind']]>
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

/** Templates of a unit; without one, `@{unit}` is unknown. */
export function templates(context: NodeContext, unit?: string): TemplateContext {
  return {
    dir: context.dir,
    unitDir: unit === undefined ? undefined : unitFolder(context, unit),
    address: context.address,
    addresses: context.settings.addresses,
  }
}

export function unitFolder(context: Pick<NodeContext, 'dir'>, unit: string): string {
  return join(context.dir, 'units', unit)
}

/** Makes a call of the plan from this node: its own address, its own files. Any status resolves. */
export async function callFromNode(
  context: NodeContext,
  call: HttpCall,
  template: TemplateContext,
  place: string,
): Promise<{ status: number; json: unknown; text: string }> {
  const text = (value: string) => fill(value, template, place)
  const optional = (value: string | undefined) => (value === undefined ? undefined : text(value))
  const url = text(call.url)
  const answer = await request({
    method: call.method,
    url,
    address: context.settings.hosts[new URL(url).hostname],
    localAddress: context.address,
    tls: await readTls({ ca: text(call.tls.ca), cert: optional(call.tls.cert), key: optional(call.tls.key) }),
    json: fillJson(call.json, template, place),
    timeoutMs: 10_000,
  })
  return { status: answer.status, json: parsed(answer.text), text: answer.text }
}

/** The same, and any status that the plan does not expect rejects. */
export async function expectedCall(
  context: NodeContext,
  call: HttpCall,
  template: TemplateContext,
  place: string,
): Promise<unknown> {
  const { status, json, text } = await callFromNode(context, call, template, place)
  if (!call.expect.includes(status)) throw new UnexpectedAnswer(call, status, text)
  return json
}

/** What is published at a URL, as text. */
export async function fetchText(
  context: NodeContext,
  { url, ca }: { url: string; ca: string },
  template: TemplateContext,
  place: string,
): Promise<string> {
  const call: HttpCall = { method: 'GET', url, tls: { ca }, expect: [200] }
  const { status, text } = await callFromNode(context, call, template, place)
  if (status !== 200) throw new UnexpectedAnswer(call, status, text)
  return text
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** The step at a place of the plan, or undefined. */
export function stepAt(plan: Plan, unit: UnitRef, path: StepPath): Step | undefined {
  const [node, name] = unit.split('/') as [string, string]
  const steps = plan.nodes[node]?.units.find((entry) => entry.name === name)?.steps
  return path.length === 0 ? undefined : walk(steps, path)
}

function walk(steps: Step[] | undefined, [index, lane, ...rest]: StepPath): Step | undefined {
  const step = steps?.[index as number]
  if (lane === undefined || step === undefined) return step
  return 'parallel' in step ? walk(step.parallel[lane], rest) : undefined
}
