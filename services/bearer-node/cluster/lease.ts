import type { Time } from './time.ts'

/** What of its lease a leader uses: voters count theirs from later on, and their clocks may go a little faster. */
const USED = 0.9

/** The lease of a leader, as it counts it itself: from when it sent what won, which is before any voter counts. */
export class Lease {
  readonly #time: Time
  readonly #leaseMs: number
  #until = Number.NEGATIVE_INFINITY

  constructor(time: Time, leaseMs: number) {
    this.#time = time
    this.#leaseMs = leaseMs
  }

  /** A majority granted what was sent at that time of the monotonic clock. */
  won(sentAt: number): void {
    this.#until = Math.max(this.#until, sentAt + USED * this.#leaseMs)
  }

  /** Not above 0: it is over. */
  remainingMs(): number {
    return this.#until - this.#time.monotonicMs()
  }
}
