import { AsyncLocalStorage } from 'node:async_hooks'
import { setTimeout as pause } from 'node:timers/promises'
import { inspect } from 'node:util'
import { redact } from '../credentials/secrets.ts'
import { HoldfastError } from '../errors.ts'

export interface UntilOptions {
  withinMs: number
  /** How long to wait between two probes. Default 50 ms. */
  everyMs?: number
}

/** What was waited for did not come in time; the message holds the last answer. Code `HOLDFAST_NOT_REACHED`. */
export class NotReached extends HoldfastError {
  readonly last: unknown

  constructor(what: string, withinMs: number, probes: number, last: { answer?: unknown; cause?: unknown }) {
    const answer = last.cause === undefined ? `the last answer was ${brief(last.answer)}` : 'the last probe failed'
    super('HOLDFAST_NOT_REACHED', `not within ${withinMs} ms: ${what}; ${answer}, after ${probes} probes`, {
      cause: last.cause,
    })
    this.last = last.answer
  }
}

/**
 * Probes until the answer is there: neither undefined, null, false, nor a failure. The last answer is remembered for the
 * failure, so nobody has to guess what was there instead.
 *
 * @throws NotReached
 */
export async function until<T>(
  what: string,
  probe: () => T | Promise<T>,
  { withinMs, everyMs = 50 }: UntilOptions,
): Promise<Exclude<T, undefined | null | false>> {
  const deadline = performance.now() + withinMs
  const wait = {}
  for (let probes = 1; ; probes += 1) {
    const last = await answerOf(probe, wait)
    if (last.answer !== undefined && last.answer !== null && last.answer !== false) {
      return last.answer as Exclude<T, undefined | null | false>
    }
    if (performance.now() + everyMs > deadline) throw new NotReached(what, withinMs, probes, last)
    await pause(everyMs)
  }
}

const probing = new AsyncLocalStorage<object>()

/** Whether whoever asks was called by a probe of {@link until}. */
export function isProbing(): boolean {
  return waitAtHand() !== undefined
}

/** What stands for the wait whose probe called whoever asks, the outermost one; undefined where none did. */
export function waitAtHand(): object | undefined {
  return probing.getStore()
}

async function answerOf<T>(probe: () => T | Promise<T>, wait: object): Promise<{ answer?: T; cause?: unknown }> {
  try {
    return { answer: await probing.run(waitAtHand() ?? wait, async () => probe()) }
  } catch (cause) {
    return { cause }
  }
}

function brief(answer: unknown): string {
  const text = redact(inspect(answer, { depth: 4, breakLength: 120 }))
  return text.length > 500 ? `${text.slice(0, 500)}…` : text
}
