import { backOffMs, changed, stateNow, stateOf } from './changes.ts'
import { afterAtMost } from './wall-timer.ts'

/** A token that was minted for this node, and is here. */
export interface Minted {
  /** PEM file of the certificate that it is bound to, if it is to one; and how that is proven to the issuer, which mints for proven certificates only. */
  readonly binding: { readonly certificate: string; prove(): Promise<unknown> } | undefined
  /** How long after it was received the next one is asked for. */
  readonly renewAfterMs: number
  /** Asks the issuer's node once more, and writes what it answers. */
  receive(): Promise<unknown>
  onFailure(cause: Error): void
}

/**
 * Keeps a minted token good for as long as this agent lives: asks for another at a share of its life, and as soon as the
 * certificate that it is bound to is another one, which is proven to the issuer first. One thing after the other: a slow answer
 * never overwrites a newer token. A failure is tried again with back-off.
 */
export async function keepMinted({ binding, renewAfterMs, receive, onFailure }: Minted): Promise<never> {
  let mustProve = false
  let failures = 0
  // Of the next token only: what would have been due for the one before calls for nothing.
  let due = Promise.withResolvers<void>()
  const dueLater = () => afterAtMost(renewAfterMs, due.resolve)
  const follow = async (certificate: string): Promise<never> => {
    for (let seen = stateNow(certificate); ; ) {
      seen = await changed(() => stateOf(certificate), seen)
      mustProve = true
      due.resolve()
    }
  }
  if (binding !== undefined) follow(binding.certificate).catch(onFailure)
  dueLater()
  for (;;) {
    await due.promise
    due = Promise.withResolvers()
    const mayHaveChanged = mustProve
    mustProve = false
    try {
      if (mayHaveChanged) await binding?.prove()
      await receive()
      failures = 0
      dueLater()
    } catch (cause) {
      onFailure(cause as Error)
      // Proven once more, for what failed may have been just that.
      mustProve = true
      setTimeout(due.resolve, backOffMs(failures)).unref()
      failures += 1
    }
  }
}
