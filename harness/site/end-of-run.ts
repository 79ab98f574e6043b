import { existsSync } from 'node:fs'
import { settings } from '../settings.ts'

const lookEveryMs = 100

/** The run that a test belongs to was ended while its site came up: the test did not come to run. */
export class RunEnded extends Error {
  constructor() {
    super('the run was ended before it')
  }
}

/** Whether the run that this process works for is to end. */
export function isRunEnded(): boolean {
  return existsSync(settings().endFile ?? '')
}

/** A signal that aborts once the run is to end. A worker of vitest hears of that in no other way while a hook of it is at work. */
export function endOfRun(): Disposable & { readonly signal: AbortSignal } {
  const ending = new AbortController()
  const look = () => {
    if (isRunEnded()) ending.abort(new RunEnded())
  }
  const looking = setInterval(look, lookEveryMs)
  return { signal: ending.signal, [Symbol.dispose]: () => clearInterval(looking) }
}
