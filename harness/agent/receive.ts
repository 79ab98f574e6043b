import { readFile } from 'node:fs/promises'
import type { PlanBoundToken } from '../credentials/bound-token/planned.ts'
import { thumbprintS256 } from '../pki/certificate.ts'
import { placeOf } from '../topology/holders.ts'
import type { MintRenewal, PlanCredential, Receive, Template } from '../topology/plan.ts'
import { pause } from './changes.ts'
import { demandHandable } from './handed-files.ts'
import type { Minted } from './keep-minted.ts'
import { expectedCall, type NodeContext, templates } from './node-context.ts'
import type { HandedFiles, StepPath } from './protocol.ts'
import { fill } from './template.ts'
import { writeFor } from './unit-files.ts'

const FIRST_RETRY_MS = 1_000
const LONGEST_RETRY_MS = 60_000

/**
 * What another node has for this one, written with the mode and owner that the plan demands. A minted token is kept good from
 * then on, and files are followed where the plan says so: `again` is what to do after each time.
 */
export async function receive(
  context: NodeContext,
  unit: string,
  step: Receive,
  path: StepPath,
  again: () => Promise<void>,
): Promise<void> {
  const credential = credentialAt(context, step.to.path)
  const asked = { kind: 'receive' as const, unit: `${context.node.name}/${unit}`, step: path }
  const once = async (seen?: string): Promise<string | undefined> => {
    const x5t = await thumbprintBehind(context, credential)
    const handed = await context.serve(step.from, { ...asked, x5t, seen })
    await writeReceived(context, unit, step, handed)
    context.emit({ event: 'handover', unit: unit, credential: credential?.name, from: step.from })
    return typeof handed === 'string' ? undefined : handed.state
  }
  const state = await once()
  if ('mint' in step.source && step.source.renew !== undefined) {
    await keepGood(context, unit, step.source.renew, credential, async () => void (await once()))
  }
  if (state !== undefined && step.again === 'changed')
    void follow(state, { once, again, onFailure: told(context, `hand-over to ${context.node.name}/${unit}`) })
}

interface Following {
  /** Resolves with the next state once that is here. */
  once(seen: string): Promise<string | undefined>
  again(): Promise<void>
  onFailure(cause: Error): void
}

/** For as long as this agent lives. A failed hand-over is tried again with back-off; what failed after one waits for the next. */
async function follow(seen: string, { once, again, onFailure }: Following): Promise<never> {
  let [state, failures] = [seen, 0]
  for (;;) {
    try {
      state = (await once(state)) ?? state
      failures = 0
    } catch (cause) {
      onFailure(cause as Error)
      await pause(Math.min(FIRST_RETRY_MS * 2 ** failures, LONGEST_RETRY_MS))
      failures += 1
      continue
    }
    await again().catch(onFailure)
  }
}

function told(context: NodeContext, what: string): (cause: Error) => void {
  return ({ message }) => {
    const line = `${what} failed: ${message}`
    context.emit({ event: 'log', unit: 'agent', stream: 'stderr', line })
  }
}

/** `x5t#S256` of the certificate that a token credential is bound to, as it lies here now. */
async function thumbprintBehind(context: NodeContext, credential?: PlanCredential): Promise<string | undefined> {
  const file = certificateFile(context, tokenOf(credential)?.boundTo)
  return file === undefined ? undefined : thumbprintS256(await readFile(file, 'utf8'))
}

function certificateFile(context: NodeContext, name = ''): string | undefined {
  const credential = context.plan.credentials[name]
  if (credential === undefined) return undefined
  return fill(`${placeOf(credential)}/cert.pem`, templates(context), `${context.node.name}: ${name}`)
}

/** What is handed over need not be a credential of the plan that lies here, and then it is bound to none of its certificates. */
function credentialAt({ plan, node }: NodeContext, path: Template): PlanCredential | undefined {
  return Object.values(plan.credentials).find((one) => one.files[node.name] === path)
}

function tokenOf(credential: PlanCredential | undefined): PlanBoundToken | undefined {
  return credential !== undefined && 'boundTo' in credential ? credential : undefined
}

/** A holder asks for its tokens itself: it knows first that its certificate is another one. */
async function keepGood(
  context: NodeContext,
  unit: string,
  { lifetimeSeconds, at }: MintRenewal,
  credential: PlanCredential | undefined,
  receive: () => Promise<void>,
): Promise<void> {
  const place = `${context.node.name}/${unit}`
  const { keepMinted } = await import('./keep-minted.ts')
  keepMinted({
    binding: bindingOf(context, unit, place, tokenOf(credential)),
    renewAfterMs: lifetimeSeconds * 1000 * at,
    receive,
    onFailure: told(context, `mint for ${place}`),
  })
}

function bindingOf(context: NodeContext, unit: string, place: string, token?: PlanBoundToken): Minted['binding'] {
  const certificate = certificateFile(context, token?.boundTo)
  if (token === undefined || certificate === undefined) return undefined
  const { boundTo, mint } = token
  const prove = () => expectedCall(context, mint.prove, templates(context, unit), `${place}: prove ${boundTo}`)
  return { certificate, prove }
}

async function writeReceived(
  context: NodeContext,
  unit: string,
  { source, to }: Receive,
  handed: string | HandedFiles,
): Promise<void> {
  const place = `${context.node.name}/${unit}: hand-over`
  const path = fill(to.path, templates(context, unit), place)
  if (typeof handed === 'string') {
    context.learn(handed, to)
    return writeFor(context, unit, path, handed, to)
  }
  const files = new Map(Object.entries(handed.files).map(([name, text]) => [name, Buffer.from(text, 'base64')]))
  const contents = [...files.values()]
  // The source is another node: what it may send is decided here once more.
  demandHandable(
    place,
    [...files.keys()],
    contents.reduce((sum, { length }) => sum + length, 0),
  )
  for (const content of contents) context.learn(content, to)
  await writeFor(context, unit, path, 'file' in source ? contents[0]! : files, to)
}
