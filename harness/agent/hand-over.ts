import { HoldfastError } from '../errors.ts'
import type { Enrol, Receive, Step } from '../topology/plan.ts'
import { changed } from './changes.ts'
import { type FileSource, readFiles, stateOfFiles } from './handed-files.ts'
import { expectedCall, type NodeContext } from './node-context.ts'
import { keyOf, signOneTimeToken } from './one-time-token.ts'
import type { HandedFiles, HandedOver, HandOver, StepPath } from './protocol.ts'
import { fillJson } from './template.ts'

type Receiving = Extract<HandOver, { kind: 'receive' }>
type Provisioner = Enrol['provisioner']
type Minting = Extract<Receive['source'], { mint: unknown }>

/** Serves the hand-overs that the plan declares with this node as their source, and nothing else. */
export async function serveHandOver(context: NodeContext, asked: HandOver): Promise<HandedOver[HandOver['kind']]> {
  const self = context.node.name
  const [node = '', unit] = asked.unit.split('/')
  const step = stepAt(context.plan.nodes[node]?.units.find(({ name }) => name === unit)?.steps, asked.step)
  if (asked.kind === 'one-time-token' && step !== undefined && 'enrol' in step && step.enrol.ca === self) {
    const { url, subject, sans, provisioner } = step.enrol
    const filled = fillJson(provisioner, context, `${self}: provisioner of ${asked.unit}`)
    return signOneTimeToken({ url, subject, sans, x5rt: asked.x5rt, provisioner: filled })
  }
  if (asked.kind === 'receive' && step !== undefined && 'receive' in step && step.receive.from === self) {
    const { source } = step.receive
    if ('provisioner' in source) return privateKey(context, source.provisioner, asked)
    return 'mint' in source ? mint(context, source, asked) : files(context, source, asked)
  }
  throw new HoldfastError(
    'HOLDFAST_HANDOVER_UNDECLARED',
    `${self} serves no ${asked.kind} to ${asked.unit}, step ${asked.step.join('.')}: the plan declares none there`,
  )
}

function stepAt(steps: readonly Step[] | undefined, [index, lane, ...rest]: StepPath): Step | undefined {
  const step = steps?.[index as number]
  if (lane === undefined || step === undefined) return step
  return 'parallel' in step ? stepAt(step.parallel[lane], rest) : undefined
}

async function mint(context: NodeContext, source: Minting, asked: Receiving): Promise<string> {
  const place = `${context.node.name}: mint for ${asked.unit}`
  // Named, for the newest that was proven need not be the one that the receiver holds.
  const binding = asked.x5t === undefined ? {} : { 'x5t#S256': asked.x5t }
  // Who asks by a form presents the certificate, so that there is nothing to name.
  const isNamed = source.mint.form === undefined
  const order = isNamed
    ? { ...source.mint, json: { ...(source.mint.json as Record<string, unknown>), ...binding } }
    : source.mint
  const { json } = await expectedCall(context, order, place)
  const text = (json as Record<string, unknown> | undefined)?.[source.member]
  if (typeof text === 'string') return text
  throw new HoldfastError('HOLDFAST_MINT_MEMBER', `${place}: ${source.mint.url} answered no text "${source.member}"`)
}

async function privateKey(context: NodeContext, provisioner: Provisioner, { unit }: Receiving): Promise<string> {
  const filled = fillJson(provisioner, context, `${context.node.name}: provisioner of ${unit}`)
  return `${JSON.stringify(await keyOf(filled))}\n`
}

async function files(context: NodeContext, source: FileSource, { unit, seen }: Receiving): Promise<HandedFiles> {
  const filled = fillJson(source, context, `${context.node.name}: hand-over to ${unit}`)
  if (seen !== undefined) await changed(() => stateOfFiles(filled), seen)
  return readFiles(context, filled)
}
