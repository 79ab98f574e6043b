/** So many at once, of each key; others wait for their turn. */
export class Places {
  readonly #most: number
  readonly #lines = new Map<string, { busy: number; readonly waiting: (() => void)[] }>()

  constructor(most: number) {
    this.#most = most
  }

  /** Keys of which somebody is at work. */
  get size(): number {
    return this.#lines.size
  }

  async with<Result>(key: string, work: () => Promise<Result>): Promise<Result> {
    const line = this.#lines.get(key) ?? { busy: 0, waiting: [] }
    this.#lines.set(key, line)
    if (line.busy < this.#most) line.busy += 1
    else await new Promise<void>((resolve) => line.waiting.push(resolve))
    try {
      return await work()
    } finally {
      const next = line.waiting.shift()
      if (next === undefined) line.busy -= 1
      else next()
      if (line.busy === 0) this.#lines.delete(key)
    }
  }
}
