/** For how long one request waits for the database: all its waits together, however many there are. Those at the same time count once. */
export class Patience {
  #leftMs: number
  #waits = 0
  #since = 0

  constructor(ms: number) {
    this.#leftMs = ms
  }

  /** At least 0. */
  get leftMs(): number {
    const waited = this.#waits === 0 ? 0 : performance.now() - this.#since
    return Math.max(0, this.#leftMs - waited)
  }

  /** When it is over, as `performance.now()` has it, for who waits from now on. */
  get end(): number {
    return performance.now() + this.leftMs
  }

  async during<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#waits === 0) this.#since = performance.now()
    this.#waits += 1
    try {
      return await work()
    } finally {
      if (this.#waits === 1) this.#leftMs = this.leftMs
      this.#waits -= 1
    }
  }
}
