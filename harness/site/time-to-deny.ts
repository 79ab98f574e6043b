import { HoldfastError } from '../errors.ts'
import { until } from './until.ts'
import type { Verdict } from './verdict.ts'

/** A call that began after the bound was still accepted. Code `HOLDFAST_DENIED_LATE`. */
export class DeniedLate extends HoldfastError {
  constructor(what: string, afterMs: number, withinMs: number) {
    const late = `${what}: a call that began after ${Math.round(afterMs)} ms was still accepted`
    super('HOLDFAST_DENIED_LATE', `${late}, where none may be after ${withinMs} ms`)
  }
}

/** How much longer it is tried than it may take, to say how late it comes. */
export const patienceMs = 10_000

/** Calls until it is refused. `afterMs` is when the last call began that was accepted, in ms from now; 0 where none was. */
export async function timeToDeny(
  what: string,
  call: () => Promise<Verdict>,
  withinMs: number,
  moreMs = patienceMs,
): Promise<{ verdict: Verdict; afterMs: number }> {
  const from = performance.now()
  let afterMs = 0
  const probe = async () => {
    const began = performance.now() - from
    const verdict = await call()
    if (verdict.verdict === 'refused') return verdict
    afterMs = began
    return undefined
  }
  const verdict = await until(`${what} is refused`, probe, { withinMs: withinMs + moreMs })
  return { verdict, afterMs }
}
