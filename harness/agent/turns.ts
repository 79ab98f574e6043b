/** Lets so many go on at once; all others wait for one of them, in the order in which they came. */
export class Turns {
  readonly #atOnce: number
  readonly #waiting = { first: [] as (() => void)[], others: [] as (() => void)[] }
  #taken = 0

  constructor(atOnce: number) {
    this.#atOnce = atOnce
  }

  /** Resolves when there is room for one more; what it resolves with gives the room back. `isFirst`: it comes before those who are not. */
  async take(isFirst = false): Promise<() => void> {
    if (this.#taken < this.#atOnce) this.#taken += 1
    else await new Promise<void>((resolve) => this.#waiting[isFirst ? 'first' : 'others'].push(resolve))
    let isBack = false
    return () => {
      if (isBack) return
      isBack = true
      const next = this.#waiting.first.shift() ?? this.#waiting.others.shift()
      if (next === undefined) this.#taken -= 1
      else next()
    }
  }
}
