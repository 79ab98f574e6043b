/** A clock that is set. What waits for a time of it acts as soon as that has come. */
export class SetClock {
  #now: number
  #waits: { readonly time: number; readonly act: () => void }[] = []

  constructor(now = Date.parse('2026-01-01T00:00:00Z')) {
    this.#now = now
  }

  readonly wallMs = (): number => this.#now

  readonly at = (time: number, act: () => void): { close(): void } => {
    const wait = { time, act }
    this.#waits.push(wait)
    return {
      close: () => {
        this.#waits = this.#waits.filter((other) => other !== wait)
      },
    }
  }

  move(ms: number): void {
    this.#now += ms
    const due = this.#waits.filter(({ time }) => time <= this.#now)
    this.#waits = this.#waits.filter(({ time }) => time > this.#now)
    for (const { act } of due) act()
  }
}
