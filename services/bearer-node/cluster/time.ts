/** Time as the cluster needs it. A test sets it. */
export interface Time {
  /** Ms of a clock that nobody sets: leases go by it. */
  monotonicMs(): number
  /** Ms since 1970: for people, and for what is kept for a day. */
  wallMs(): number
  /** Acts once so many ms have passed. Keeps no process alive. */
  after(ms: number, act: () => void): Timer
}

export interface Timer {
  close(): void
}

export interface Clock {
  monotonicMs(): number
  wallMs(): number
}

/** The longest that a timer of Node takes. */
const LONGEST_MS = 2 ** 31 - 1

export function timeOf(clock: Clock): Time {
  return {
    monotonicMs: () => clock.monotonicMs(),
    wallMs: () => clock.wallMs(),
    after(ms, act) {
      const timer = setTimeout(act, Math.min(Math.max(0, ms), LONGEST_MS)).unref()
      return { close: () => clearTimeout(timer) }
    },
  }
}

/** Resolves once so many ms have passed, or when nobody waits any more. */
export function pause(time: Time, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve()
    const timer = time.after(ms, done)
    function done(): void {
      timer.close()
      signal?.removeEventListener('abort', done)
      resolve()
    }
    signal?.addEventListener('abort', done, { once: true })
  })
}
