import { readFile } from 'node:fs/promises'
import { HoldfastError } from '../errors.ts'
import type { HttpCall } from '../topology/plan.ts'
import { expectedCall, type NodeContext, stepAt, templates } from './node-context.ts'
import { signOneTimeToken } from './one-time-token.ts'
import type { HandOver } from './protocol.ts'
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

interface Minted {
  mint: HttpCall
  member: string
}

/** Serves the hand-overs that the plan declares with this node as their source, and nothing else. */
export async function serveHandOver(context: NodeContext, asked: HandOver): Promise<string> {
  const step = stepAt(context.plan, asked.unit, asked.step)
  const self = context.node.name
  if (asked.kind === 'one-time-token' && step !== undefined && 'enrol' in step && step.enrol.ca === self) {
    const { url, subject, sans, provisioner } = step.enrol
    const keyFile = fill(provisioner.keyFile, templates(context), `${self}: provisioner of ${asked.unit}`)
    return signOneTimeToken({ url, subject, sans, x5rt: asked.x5rt, provisioner: { name: provisioner.name, keyFile } })
  }
  if (asked.kind === 'receive' && step !== undefined && 'receive' in step && step.receive.from === self) {
    const { source } = step.receive
    if ('mint' in source) return mint(context, source, asked)
    return readFile(fill(source.file, templates(context), `${self}: hand-over to ${asked.unit}`), 'utf8')
  }
  throw new UndeclaredHandOver(self, asked)
}

async function mint(context: NodeContext, source: Minted, asked: Receiving): Promise<string> {
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
