import { networkOf } from '../../shared/network-of.ts'

export interface FailureRate {
  readonly perSecond: number
  readonly burst: number
  /** Addresses that are counted at once; beyond these the one that failed least recently is forgotten. */
  readonly most?: number
}

export const FAILURE_RATE: FailureRate = { perSecond: 20, burst: 100 }
const MOST_ADDRESSES = 50_000

/** Failures by address: so many at once, and so many more in each second. Memory is bounded, whoever calls. */
export class FailureLimit {
  readonly #costMs: number
  readonly #longestMs: number
  readonly #most: number
  readonly #now: () => number
  /** Until when an address has used up what it may; who failed last stands last. */
  readonly #used = new Map<string, number>()

  /** `now`: ms of a clock that only goes forward. */
  constructor({ perSecond, burst, most = MOST_ADDRESSES }: FailureRate, now: () => number) {
    this.#costMs = 1000 / perSecond
    this.#longestMs = burst * this.#costMs
    this.#most = most
    this.#now = now
  }

  /** Counts a failure; false where the address has had too many. */
  count(address: string): boolean {
    const now = this.#now()
    const key = networkOf(address)
    const used = Math.max(now, this.#used.get(key) ?? now) + this.#costMs
    if (used - now > this.#longestMs) return false
    this.#used.delete(key)
    this.#used.set(key, used)
    this.#forget(now)
    return true
  }

  /** Addresses that are counted. */
  get size(): number {
    return this.#used.size
  }

  #forget(now: number): void {
    for (const [key, used] of this.#used) {
      // One that has everything left is as good as unknown.
      if (used > now && this.#used.size <= this.#most) return
      this.#used.delete(key)
    }
  }
}
