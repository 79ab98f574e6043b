import { CommandFailed, EXIT } from './failure.ts'
import type { Run } from './wire.ts'

const FIRST_PAUSE_MS = 200
const LONGEST_PAUSE_MS = 2_000

export interface Waiting {
  /** How the run is now. */
  ask(): Promise<Run>
  readonly withinMs: number
  /** Is told the run whenever it, or one of its stages, is in another state. */
  tell(run: Run): void
  /** Milliseconds of any beginning. */
  readonly now?: () => number
  readonly sleep?: (ms: number) => Promise<void>
}

/** Asks until a run has ended, seldom once it has taken long. @throws CommandFailed where it has not ended in time */
export async function waitForEnd({ ask, withinMs, tell, now = monotonic, sleep = pause }: Waiting): Promise<Run> {
  const until = now() + withinMs
  let told = ''
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 1.5, LONGEST_PAUSE_MS)) {
    const run = await ask()
    const states = [run.state, ...run.stages.map(({ state, attempt }) => `${state} ${attempt}`)].join()
    if (states !== told) tell(run)
    told = states
    if (run.state !== 'queued' && run.state !== 'running') return run
    if (now() + pauseMs > until) throw tooLong(run, withinMs)
    await sleep(pauseMs)
  }
}

function tooLong({ runId, state }: Run, withinMs: number): CommandFailed {
  const text = `run ${runId} is still ${state} after ${withinMs / 1_000} s; it goes on: p2p pipeline status ${runId} --wait`
  return new CommandFailed('run_not_ended', text, EXIT.unreachable)
}

function monotonic(): number {
  return performance.now()
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
