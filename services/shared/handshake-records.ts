import type { Decision, DecisionLog } from './decision-log.ts'

const WINDOW_MS = 60_000

/**
 * Puts refused handshakes of a listener on record within a bound, for anybody at all can have them refused as fast as he likes. Those
 * beyond it are counted: once the minute is over, the last of them is written and says how many others are not.
 */
export class HandshakeRecords {
  readonly #decisions: Pick<DecisionLog, 'record'>
  readonly #perMinute: number
  #windowStart = performance.now()
  #written = 0
  #waiting: { readonly last: Decision; readonly count: number } | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(decisions: Pick<DecisionLog, 'record'>, perMinute: number) {
    this.#decisions = decisions
    this.#perMinute = perMinute
  }

  /** Throws as the log does, where it is tried. */
  record(decision: Decision): void {
    this.#roll()
    if (this.#written < this.#perMinute) {
      this.#decisions.record(decision)
      this.#written += 1
      return
    }
    this.#waiting = { last: decision, count: (this.#waiting?.count ?? 0) + 1 }
    this.#timer ??= setTimeout(() => this.#roll(), this.#windowStart + WINDOW_MS - performance.now()).unref()
  }

  /** Writes what waits. */
  close(): void {
    clearTimeout(this.#timer)
    this.#settle()
  }

  #roll(): void {
    if (performance.now() - this.#windowStart < WINDOW_MS) return
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#windowStart = performance.now()
    this.#written = 0
    this.#settle()
  }

  #settle(): void {
    if (this.#waiting === undefined) return
    const { last, count } = this.#waiting
    try {
      this.#decisions.record({ ...last, notWritten: count - 1 })
    } catch {
      // Nobody waits for it, and it is not forgotten: the next minute tries again.
      return
    }
    this.#waiting = undefined
    this.#written += 1
  }
}
