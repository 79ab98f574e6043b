import { setTimeout as wait } from 'node:timers/promises'

const FIRST_PAUSE_MS = 1_000

export interface PutOutOptions {
  /** Whether the login would still last. */
  readonly isIn: () => boolean
  /** Ends it all. */
  readonly signal: AbortSignal
  readonly firstPauseMs?: number
}

/**
 * Has somebody put out, again and again as long as he could be in: what the broker answers to a kick is nobody's to read, so one that was
 * lost or denied looks like one that was done. To kick somebody who is gone does nothing, since a broker gives no number twice.
 *
 * @param kick whether it left this process
 */
export async function putOut(
  kick: () => Promise<boolean>,
  { isIn, signal, firstPauseMs = FIRST_PAUSE_MS }: PutOutOptions,
): Promise<void> {
  let pauseMs = firstPauseMs
  while (isIn() && !signal.aborted) {
    const isSent = await kick()
    await wait(pauseMs, undefined, { ref: false, signal }).catch(() => undefined)
    // Without a connection it is tried soon, whenever there is one.
    if (isSent) pauseMs *= 2
  }
}
