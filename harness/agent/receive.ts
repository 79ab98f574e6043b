import { readFile } from 'node:fs/promises'
import type { PlanBoundToken } from '../credentials/bound-token/planned.ts'
import { thumbprintS256 } from '../pki/certificate.ts'
import { placeOf } from '../topology/holders.ts'
import type { Receive } from '../topology/plan.ts'
import { backOffMs, pause } from './changes.ts'
import { demandHandable } from './handed-files.ts'
import type { Minted } from './keep-minted.ts'
import { expectedCall, told, type UnitContext } from './node-context.ts'
import type { HandedFiles, StepPath } from './protocol.ts'
import { fill } from './template.ts'
import { writeFor } from './unit-files.ts'

/**
 * What another node has for this one, written with the mode and owner that the plan demands. A minted token is kept good from
 * then on, and files are followed where the plan says so: `again` is what to do after each time.
 */
export async function receive(
  context: UnitContext,
  step: Receive,
  path: StepPath,
  again: () => Promise<void>,
): Promise<void> {
  const { ref, plan, node } = context
  // What is handed over need not be a credential of the plan that lies here, and then it is bound to none of its certificates.
  const credential = Object.values(plan.credentials).find(({ files }) => files[node.name] === step.to.path)
  const binding = credential && 'boundTo' in credential ? bindingOf(context, credential) : undefined
  const once = async (seen?: string): Promise<string | undefined> => {
    const x5t = binding && thumbprintS256(await readFile(binding.certificate, 'utf8'))
    const handed = await context.serve(step.from, { kind: 'receive', unit: ref, step: path, x5t, seen })
    await writeReceived(context, step, handed)
    context.emit({ event: 'handover', unit: context.unit.name, credential: credential?.name, from: step.from })
    return typeof handed === 'string' ? undefined : handed.state
  }
  const state = await once()
  if ('mint' in step.source && step.source.renew !== undefined) {
    // A holder asks for its tokens itself: it knows first that its certificate is another one.
    const { keepMinted } = await import('./keep-minted.ts')
    const renewAfterMs = step.source.renew.lifetimeSeconds * 1000 * step.source.renew.at
    void keepMinted({ binding, renewAfterMs, receive: once, onFailure: told(context, `mint for ${ref}`) })
  }
  if (state !== undefined && step.again === 'changed') {
    void follow(state, once, again, told(context, `hand-over to ${ref}`))
  }
}

/**
 * For as long as this agent lives. `once` resolves with the next state when that is here; a failed hand-over is tried again with
 * back-off, and what failed after one waits for the next.
 */
async function follow(
  seen: string,
  once: (seen: string) => Promise<string | undefined>,
  again: () => Promise<void>,
  onFailure: (cause: Error) => void,
): Promise<never> {
  let [state, failures] = [seen, 0]
  for (;;) {
    try {
      state = (await once(state)) ?? state
      failures = 0
    } catch (cause) {
      onFailure(cause as Error)
      await pause(backOffMs(failures))
      failures += 1
      continue
    }
    await again().catch(onFailure)
  }
}

function bindingOf(context: UnitContext, { boundTo, mint }: PlanBoundToken): Minted['binding'] {
  const { plan, node, ref } = context
  const credential = plan.credentials[boundTo]
  if (credential === undefined) return undefined
  // It lies where its own unit put it, not in the folder of this one.
  const elsewhere = { ...context, unitDir: undefined }
  const certificate = fill(`${placeOf(credential)}/cert.pem`, elsewhere, `${node.name}: ${boundTo}`)
  const prove = async () => mint.prove && expectedCall(context, mint.prove, `${ref}: prove ${boundTo}`)
  return { certificate, prove }
}

async function writeReceived(
  context: UnitContext,
  { source, to }: Receive,
  handed: string | HandedFiles,
): Promise<void> {
  const place = `${context.ref}: hand-over`
  const path = fill(to.path, context, place)
  if (typeof handed === 'string') {
    context.learn(handed, to)
    return writeFor(context, path, handed, to)
  }
  const files = new Map(Object.entries(handed.files).map(([name, text]) => [name, Buffer.from(text, 'base64')]))
  const contents = [...files.values()]
  const bytes = contents.reduce((sum, { length }) => sum + length, 0)
  // The source is another node: what it may send is decided here once more.
  demandHandable(place, [...files.keys()], bytes)
  for (const content of contents) context.learn(content, to)
  await writeFor(context, path, 'file' in source ? contents[0]! : files, to)
}
