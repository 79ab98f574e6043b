import { once } from 'node:events'
import { constants } from 'node:os'
import { HoldfastError } from '../errors.ts'

/** The user (or the system) asked for an end; all that the command held was released before this is thrown. */
export class Interrupted extends HoldfastError {
  readonly exitCode: number

  constructor(signal: NodeJS.Signals) {
    super('HOLDFAST_INTERRUPTED', `interrupted by ${signal}; everything that was started is released`)
    this.exitCode = 128 + constants.signals[signal]
  }
}

const endings: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP']

/**
 * Runs `work` with a signal that aborts on Ctrl-C (or SIGTERM, SIGHUP), waits until `work` has released what it holds, and
 * then throws {@link Interrupted}. A second Ctrl-C ends the process at once: what is left then is for `holdfast sweep`.
 */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController()
  const onSignal = (signal: NodeJS.Signals): void => {
    if (controller.signal.aborted) process.exit(128 + constants.signals[signal])
    controller.abort(new Interrupted(signal))
  }
  for (const ending of endings) process.on(ending, onSignal)
  try {
    const result = await work(controller.signal)
    controller.signal.throwIfAborted()
    return result
  } catch (failure) {
    // What failed after the signal failed because of it; a failure to release is worth telling nonetheless.
    throw controller.signal.aborted && !(failure instanceof AggregateError) ? controller.signal.reason : failure
  } finally {
    for (const ending of endings) process.off(ending, onSignal)
  }
}

/** Resolves when the signal aborts. */
export async function aborted(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, 'abort')
}
