import { once } from 'node:events'
import { constants } from 'node:os'
import { HoldfastError } from '../errors.ts'
import { printNote } from './output.ts'

/** The user (or the system) asked for an end; all that the command held was released before this is thrown. */
export class Interrupted extends HoldfastError {
  readonly exitCode: number

  constructor(signal: NodeJS.Signals) {
    super('HOLDFAST_INTERRUPTED', `interrupted by ${signal}; everything that was started is released`)
    this.exitCode = 128 + constants.signals[signal]
  }
}

const endings: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP']

/** What a command that holds something does about an ending; undefined while none does. */
let end: ((signal: NodeJS.Signals) => void) | undefined

/** Ends the running command as a signal would; false where it holds nothing, and may simply exit. */
export function interrupt(signal: NodeJS.Signals): boolean {
  end?.(signal)
  return end !== undefined
}

/**
 * Runs `work` with a signal that aborts on Ctrl-C (or SIGTERM, SIGHUP), waits until `work` has released what it holds, and
 * then throws {@link Interrupted}. What is thrown where nobody catches it ends `work` likewise, and is then thrown itself. A
 * second Ctrl-C or SIGTERM ends the process at once: what is left then is for `holdfast sweep`. Within `sameWishMs` it is the
 * first one again: a terminal, a supervisor and a launcher that hands signals on each send it.
 */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>, sameWishMs = 1_000): Promise<T> {
  const controller = new AbortController()
  let began = 0
  const onSignal = (signal: NodeJS.Signals): void => {
    const again = controller.signal.aborted
    if (!again) {
      began = performance.now()
      // A terminal that went away reads nothing.
      if (signal !== 'SIGHUP') printNote('ending: what was started is released first; a second Ctrl-C ends at once')
    }
    // A terminal that goes away is no wish for haste, however many tell of it.
    else if (signal !== 'SIGHUP' && performance.now() - began >= sameWishMs) {
      printNote('ended at once; what is left of the run, npx holdfast sweep takes away')
      process.exit(128 + constants.signals[signal])
    }
    controller.abort(new Interrupted(signal))
  }
  const onUncaught = (failure: unknown): void => controller.abort(failure)
  for (const ending of endings) process.on(ending, onSignal)
  process.on('uncaughtException', onUncaught)
  end = onSignal
  try {
    const result = await work(controller.signal)
    controller.signal.throwIfAborted()
    return result
  } catch (failure) {
    // What failed after the signal failed because of it; a failure to release is worth telling nonetheless.
    const isOfRelease =
      failure instanceof AggregateError || (failure as HoldfastError).code === 'HOLDFAST_EVIDENCE_INCOMPLETE'
    throw controller.signal.aborted && !isOfRelease ? controller.signal.reason : failure
  } finally {
    for (const ending of endings) process.off(ending, onSignal)
    process.off('uncaughtException', onUncaught)
    end = undefined
  }
}

/** Resolves when the signal aborts. */
export async function aborted(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, 'abort')
}
