import { watch } from 'node:fs'
import { basename, dirname } from 'node:path'
import type { MintRenewal, PlanCredential } from '../topology/plan.ts'
import { expectedCall, type NodeContext, templates } from './node-context.ts'
import { fill } from './template.ts'
import { atWallTime } from './wall-timer.ts'

const FIRST_RETRY_MS = 1_000
const LONGEST_RETRY_MS = 60_000
/** One write makes several events. */
const SETTLED_MS = 50

export interface Minted {
  readonly context: NodeContext
  /** The credential, which is the name of its unit, too. */
  readonly credential: PlanCredential
  readonly renew: MintRenewal
  /** Asks the issuer's node once more, and writes what it answers. */
  receive(): Promise<void>
}

/**
 * Keeps a minted token good for as long as this agent lives: asks for another at a share of its life, and as soon as the
 * certificate that it is bound to is another one, which is proven to the issuer first. One thing after the other: a slow answer
 * never overwrites a newer token. A failure is tried again with back-off.
 */
export function keepMinted(minted: Minted): void {
  const { context, credential, renew } = minted
  const template = templates(context, credential.name)
  let mustProve = false
  let isBusy = false
  let isDue = false
  let failures = 0
  let turn = 0

  const due = (): void => {
    isDue = true
    if (!isBusy) void work()
  }
  const dueAt = (time: number): void => {
    turn += 1
    const own = turn
    atWallTime(time, () => {
      if (turn === own) due()
    })
  }
  const work = async (): Promise<void> => {
    isBusy = true
    while (isDue) {
      isDue = false
      await anew()
    }
    isBusy = false
  }
  const anew = async (): Promise<void> => {
    try {
      if (mustProve) {
        mustProve = false
        await expectedCall(
          context,
          credential.mint!.prove,
          template,
          `${context.node.name}: prove ${credential.boundTo}`,
        )
      }
      await minted.receive()
      failures = 0
      dueAt(Date.now() + renew.lifetimeSeconds * 1000 * renew.at)
    } catch (cause) {
      const line = `mint for ${context.node.name}/${credential.name} failed: ${(cause as Error).message}`
      context.emit({ event: 'log', unit: 'agent', stream: 'stderr', line })
      // Proving once more does no harm, and whatever it was may have failed on the way.
      mustProve = true
      setTimeout(due, Math.min(FIRST_RETRY_MS * 2 ** failures, LONGEST_RETRY_MS)).unref()
      failures += 1
    }
  }

  dueAt(Date.now() + renew.lifetimeSeconds * 1000 * renew.at)
  const certificate = context.plan.credentials[credential.boundTo ?? '']
  if (certificate === undefined) return
  const file = fill(`${certificate.path}/cert.pem`, template, `${context.node.name}: certificate of ${credential.name}`)
  onReplaced(file, () => {
    mustProve = true
    due()
  })
}

/** The folder is watched, for an atomic rename puts a new file there. */
function onReplaced(path: string, act: () => void): void {
  let timer: NodeJS.Timeout | undefined
  const watcher = watch(dirname(path), { persistent: false }, (_, changed) => {
    if (changed !== null && changed !== basename(path)) return
    clearTimeout(timer)
    timer = setTimeout(act, SETTLED_MS).unref()
  })
  // The folder went away, and with it whatever could be bound to it.
  watcher.on('error', () => watcher.close())
}
