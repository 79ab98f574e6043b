import type { Decision } from './decision-log.ts'

const WINDOW_MS = 60_000

/**
 * Puts refused handshakes of a listener, or others that anybody at all can have as fast as he likes, on record within a bound. Those
 * beyond it are counted: once the minute is over, the last of them is written and says how many others are not.
 */
export class HandshakeRecords<Line extends object = Decision> {
  readonly #decisions: { record(line: Line): void }
  readonly #perMinute: number
  #windowStart = performance.now()
  #written = 0
  #waiting: { readonly last: Line; readonly count: number } | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(decisions: { record(line: Line): void }, perMinute: number) {
    this.#decisions = decisions
    this.#perMinute = perMinute
  }

  /** Throws as the log does, where it is tried. */
  record(decision: Line): void {
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
