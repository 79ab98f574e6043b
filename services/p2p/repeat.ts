import { type Answer, CallFailed } from './call.ts'

const FIRST_WAIT_MS = 500
const LONGEST_WAIT_MS = 10_000

export interface RepeatOptions {
  /** No attempt is begun later than so long after the first one. */
  readonly forMs: number
  /** Is told before each wait. */
  note(text: string): void
  /** Milliseconds of any beginning. */
  readonly now?: () => number
  readonly sleep?: (ms: number) => Promise<void>
}

/**
 * Attempts until there is an answer that another attempt would not change: 503 and 504 pass, and so does a connection that ended before
 * the answer. Every attempt must carry the same key. Resolves with the last answer. @throws CallFailed, that of the last attempt
 */
export async function repeated(
  attempt: () => Promise<Answer>,
  { forMs, note, now = () => performance.now(), sleep = wait }: RepeatOptions,
): Promise<Answer> {
  const until = now() + forMs
  for (let ownWaitMs = FIRST_WAIT_MS; ; ownWaitMs = Math.min(ownWaitMs * 2, LONGEST_WAIT_MS)) {
    const ended = await attempt().then(
      (answer) => ({ answer, why: `was answered ${answer.status}`, mayPass: isPassing(answer) }),
      (failure: unknown) => ({ failure, why: (failure as Error).message, mayPass: isUnanswered(failure) }),
    )
    const waitMs = ('answer' in ended ? retryAfterMs(ended.answer) : undefined) ?? ownWaitMs
    if (!ended.mayPass || now() + waitMs > until) {
      if ('answer' in ended) return ended.answer
      throw ended.failure
    }
    note(`${ended.why}: trying again in ${waitMs / 1_000} s`)
    await sleep(waitMs)
  }
}

function isPassing({ status }: Answer): boolean {
  return status === 503 || status === 504
}

function isUnanswered(failure: unknown): boolean {
  return failure instanceof CallFailed && failure.isOpen
}

/** RFC 9110 section 10.2.3, in seconds alone: no node sends a date. */
function retryAfterMs({ headers }: Answer): number | undefined {
  const { 'retry-after': text = '' } = headers
  return /^\d{1,4}$/.test(text) ? Math.min(Number(text) * 1_000, LONGEST_WAIT_MS) : undefined
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
