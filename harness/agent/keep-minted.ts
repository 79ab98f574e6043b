import { changed, stateNow, stateOf } from './changes.ts'
import { atWallTime } from './wall-timer.ts'

const FIRST_RETRY_MS = 1_000
const LONGEST_RETRY_MS = 60_000

/** A token that was minted for this node, and is here. */
export interface Minted {
  /** PEM file of the certificate that it is bound to, if it is to one; and how that is proven to the issuer, which mints for proven certificates only. */
  readonly binding: { readonly certificate: string; prove(): Promise<unknown> } | undefined
  /** How long after it was received the next one is asked for. */
  readonly renewAfterMs: number
  /** Asks the issuer's node once more, and writes what it answers. */
  receive(): Promise<void>
  onFailure(cause: Error): void
}

/**
 * Keeps a minted token good for as long as this agent lives: asks for another at a share of its life, and as soon as the
 * certificate that it is bound to is another one, which is proven to the issuer first. One thing after the other: a slow answer
 * never overwrites a newer token. A failure is tried again with back-off.
 */
export function keepMinted({ binding, renewAfterMs, receive, onFailure }: Minted): void {
  let mustProve = false
  let isDue = false
  let isBusy = false
  let failures = 0
  let turn = 0

  const due = (): void => {
    isDue = true
    if (!isBusy) void work()
  }
  const dueLater = (): void => {
    turn += 1
    const own = turn
    atWallTime(Date.now() + renewAfterMs, () => {
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
      setTimeout(due, Math.min(FIRST_RETRY_MS * 2 ** failures, LONGEST_RETRY_MS)).unref()
      failures += 1
    }
  }

  dueLater()
  if (binding === undefined) return
  const { certificate } = binding
  const follow = async (): Promise<never> => {
    for (let seen = stateNow(certificate); ; ) {
      seen = await changed(() => stateOf(certificate), seen)
      mustProve = true
      due()
    }
  }
  follow().catch(onFailure)
}
