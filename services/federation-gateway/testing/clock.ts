import type { Clock } from '../outbound/clock.ts'

/** A clock that goes when a test says so. It begins now, as certificates of handshakes go by the clock of this machine. */
export class ManualClock implements Clock {
  #now = Date.now()
  #waits: { time: number; act: () => void }[] = []

  readonly now = (): number => this.#now

  at(time: number, act: () => void): { close(): void } {
    const wait = { time, act }
    this.#waits.push(wait)
    return {
      close: () => {
        this.#waits = this.#waits.filter((other) => other !== wait)
      },
    }
  }

  /** What is due by then acts, in order. */
  advance(ms: number): void {
    const end = this.#now + ms
    for (;;) {
      const [next] = this.#waits.filter(({ time }) => time <= end).sort((one, other) => one.time - other.time)
      if (next === undefined) break
      this.#waits = this.#waits.filter((wait) => wait !== next)
      this.#now = Math.max(this.#now, next.time)
      next.act()
    }
    this.#now = end
  }
}
