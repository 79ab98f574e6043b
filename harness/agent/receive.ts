import { readFile } from 'node:fs/promises'
import type { PlanBoundToken } from '../credentials/bound-token/planned.ts'
import { thumbprintS256 } from '../pki/certificate.ts'
import { placeOf } from '../topology/holders.ts'
import type { MintRenewal, Receive } from '../topology/plan.ts'
import type { Minted } from './keep-minted.ts'
import { expectedCall, type NodeContext, templates } from './node-context.ts'
import type { StepPath } from './protocol.ts'
import { writeSecret } from './secret-file.ts'
import { fill } from './template.ts'

/**
 * What another node has for this one, written with the mode and owner that the plan demands. A minted token is kept good from
 * then on.
 */
export async function receive(context: NodeContext, unit: string, step: Receive, path: StepPath): Promise<void> {
  const credential = Object.hasOwn(context.plan.credentials, unit) ? unit : undefined
  const asked = { kind: 'receive' as const, unit: `${context.node.name}/${unit}`, step: path }
  const once = async (): Promise<void> => {
    const x5t = await thumbprintBehind(context, credential)
    await writeReceived(context, unit, step, await context.serve(step.from, { ...asked, x5t }))
    context.emit({ event: 'handover', unit: unit, credential, from: step.from })
  }
  await once()
  if ('mint' in step.source && step.source.renew !== undefined) {
    await keepGood(context, unit, step.source.renew, once)
  }
}

/** `x5t#S256` of the certificate that a token credential is bound to, as it lies here now. */
async function thumbprintBehind(context: NodeContext, token: string | undefined): Promise<string | undefined> {
  const file = certificateFile(context, tokenNamed(context, token)?.boundTo)
  return file === undefined ? undefined : thumbprintS256(await readFile(file, 'utf8'))
}

function certificateFile(context: NodeContext, name = ''): string | undefined {
  const credential = context.plan.credentials[name]
  if (credential === undefined) return undefined
  return fill(`${placeOf(credential)}/cert.pem`, templates(context), `${context.node.name}: ${name}`)
}

/** What is minted need not be a credential of the plan, and then it is bound to none of its certificates. */
function tokenNamed({ plan }: NodeContext, name = ''): PlanBoundToken | undefined {
  const credential = Object.hasOwn(plan.credentials, name) ? plan.credentials[name] : undefined
  return credential !== undefined && 'boundTo' in credential ? credential : undefined
}

/** A holder asks for its tokens itself: it knows first that its certificate is another one. */
async function keepGood(
  context: NodeContext,
  unit: string,
  { lifetimeSeconds, at }: MintRenewal,
  receive: () => Promise<void>,
): Promise<void> {
  const place = `${context.node.name}/${unit}`
  const { keepMinted } = await import('./keep-minted.ts')
  keepMinted({
    binding: bindingOf(context, unit, place),
    renewAfterMs: lifetimeSeconds * 1000 * at,
    receive,
    onFailure({ message }) {
      const line = `mint for ${place} failed: ${message}`
      context.emit({ event: 'log', unit: 'agent', stream: 'stderr', line })
    },
  })
}

function bindingOf(context: NodeContext, unit: string, place: string): Minted['binding'] {
  const token = tokenNamed(context, unit)
  const certificate = certificateFile(context, token?.boundTo)
  if (token === undefined || certificate === undefined) return undefined
  const { boundTo, mint } = token
  const prove = () => expectedCall(context, mint.prove, templates(context, unit), `${place}: prove ${boundTo}`)
  return { certificate, prove }
}

async function writeReceived(context: NodeContext, unit: string, step: Receive, text: string): Promise<void> {
  const path = fill(step.to.path, templates(context, unit), `${context.node.name}/${unit}: hand-over`)
  context.learn(text, step.to)
  await writeSecret(path, text, step.to)
}
