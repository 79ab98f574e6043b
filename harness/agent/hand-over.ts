import { HoldfastError } from '../errors.ts'
import type { HttpCall, Receive } from '../topology/plan.ts'
import { changed } from './changes.ts'
import { type FileSource, readFiles, stateOfFiles } from './handed-files.ts'
import { expectedCall, type NodeContext, stepAt, templates } from './node-context.ts'
import { signOneTimeToken } from './one-time-token.ts'
import type { HandedFiles, HandedOver, HandOver } from './protocol.ts'
import { fill } from './template.ts'

/** Something was asked for that the plan does not declare. Code `HOLDFAST_HANDOVER_UNDECLARED`. */
export class UndeclaredHandOver extends HoldfastError {
  constructor(node: string, asked: HandOver) {
    super(
      'HOLDFAST_HANDOVER_UNDECLARED',
      `${node} serves no ${asked.kind} to ${asked.unit}, step ${asked.step.join('.')}: the plan declares none there`,
    )
  }
}

type Receiving = Extract<HandOver, { kind: 'receive' }>

interface MintAnswer {
  mint: HttpCall
  member: string
}

type Files = Exclude<Receive['source'], MintAnswer>

/** Serves the hand-overs that the plan declares with this node as their source, and nothing else. */
export async function serveHandOver(context: NodeContext, asked: HandOver): Promise<HandedOver[HandOver['kind']]> {
  const step = stepAt(context.plan, asked.unit, asked.step)
  const self = context.node.name
  if (asked.kind === 'one-time-token' && step !== undefined && 'enrol' in step && step.enrol.ca === self) {
    const { url, subject, sans, provisioner } = step.enrol
    const keyFile = fill(provisioner.keyFile, templates(context), `${self}: provisioner of ${asked.unit}`)
    return signOneTimeToken({ url, subject, sans, x5rt: asked.x5rt, provisioner: { name: provisioner.name, keyFile } })
  }
  if (asked.kind === 'receive' && step !== undefined && 'receive' in step && step.receive.from === self) {
    const { source } = step.receive
    return 'mint' in source ? mint(context, source, asked) : files(context, source, asked)
  }
  throw new UndeclaredHandOver(self, asked)
}

async function mint(context: NodeContext, source: MintAnswer, asked: Receiving): Promise<string> {
  const place = `${context.node.name}: mint for ${asked.unit}`
  // Named, for the newest that was proven need not be the one that the receiver holds.
  const binding = asked.x5t === undefined ? {} : { 'x5t#S256': asked.x5t }
  const order = { ...source.mint, json: { ...(source.mint.json as Record<string, unknown>), ...binding } }
  const json = await expectedCall(context, order, templates(context), place)
  const text = (json as Record<string, unknown> | undefined)?.[source.member]
  if (typeof text !== 'string') {
    throw new HoldfastError('HOLDFAST_MINT_MEMBER', `${place}: ${source.mint.url} answered no text "${source.member}"`)
  }
  return text
}

async function files(context: NodeContext, source: Files, asked: Receiving): Promise<HandedFiles> {
  const place = `${context.node.name}: hand-over to ${asked.unit}`
  const filled = (path: string) => fill(path, templates(context), place)
  const declared: FileSource =
    'folder' in source
      ? { folder: filled(source.folder) }
      : { paths: ('files' in source ? source.files : [source.file]).map(filled) }
  if (asked.seen !== undefined) await changed(() => stateOfFiles(declared), asked.seen)
  return readFiles(context, declared)
}
