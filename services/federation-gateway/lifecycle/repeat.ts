import { failureFields, type Log } from '../../shared/log.ts'

/** Work that is done again and again. */
export interface Repeated {
  /** As soon as it is not at it: whoever asks knows that it begins after now. */
  wake(): void
  /** Once what is under way has ended. */
  stop(): Promise<void>
}

/**
 * Does some work now, and again so long after each time, never twice at once. One that fails is told when it begins to, not each time: what
 * it could not do is there the next time.
 */
export function repeat(name: string, everyMs: number, log: Pick<Log, 'warn'>, work: () => Promise<unknown>): Repeated {
  let timer: NodeJS.Timeout | undefined
  let running: Promise<void> | undefined
  let isStopped = false
  let isWanted = false
  let lastProblem = ''
  const run = async (): Promise<void> => {
    clearTimeout(timer)
    isWanted = false
    try {
      await work()
      lastProblem = ''
    } catch (failure) {
      const fields = failureFields(failure)
      if (fields.message !== lastProblem) log.warn(`${name}-failed`, fields)
      lastProblem = fields.message
    }
  }
  const begin = (): void => {
    running = run().then(() => {
      running = undefined
      if (isStopped) return
      if (isWanted) begin()
      else timer = setTimeout(begin, everyMs).unref()
    })
  }
  begin()
  return {
    wake() {
      isWanted = true
      if (running === undefined && !isStopped) begin()
    },
    async stop() {
      isStopped = true
      clearTimeout(timer)
      await running
    },
  }
}
