import type { Time, Timer } from '../time.ts'

interface Due {
  readonly at: number
  readonly seq: number
  readonly act: () => void
}

/** The one time of a world in one process. It goes when a test says so, and stands still while anything is being done. */
export class SimTime {
  now = 0
  #seq = 0
  /** A heap: the next first. */
  readonly #due: Due[] = []
  readonly #closed = new WeakSet<Due>()

  after(ms: number, act: () => void): Timer {
    const due: Due = { at: this.now + Math.max(0, ms), seq: this.#seq++, act }
    this.#push(due)
    return { close: () => void this.#closed.add(due) }
  }

  pause(ms: number): Promise<void> {
    return new Promise((resolve) => void this.after(ms, resolve))
  }

  /** What is due by then is done, in order, each with all that follows from it at once; `afterEach` looks at the world then. */
  async advance(ms: number, afterEach: () => void = () => {}): Promise<void> {
    const end = this.now + ms
    for (let next = this.#due[0]; next !== undefined && next.at <= end; next = this.#due[0]) {
      this.#pop()
      if (this.#closed.has(next)) continue
      this.now = Math.max(this.now, next.at)
      next.act()
      await settled()
      afterEach()
    }
    this.now = end
  }

  #push(due: Due): void {
    const heap = this.#due
    heap.push(due)
    for (let at = heap.length - 1; at > 0; ) {
      const up = (at - 1) >> 1
      if (!isBefore(heap[at]!, heap[up]!)) break
      ;[heap[at], heap[up]] = [heap[up]!, heap[at]!]
      at = up
    }
  }

  #pop(): void {
    const heap = this.#due
    const last = heap.pop()!
    if (heap.length === 0) return
    heap[0] = last
    for (let at = 0; ; ) {
      const [left, right] = [2 * at + 1, 2 * at + 2]
      let least = at
      if (left < heap.length && isBefore(heap[left]!, heap[least]!)) least = left
      if (right < heap.length && isBefore(heap[right]!, heap[least]!)) least = right
      if (least === at) return
      ;[heap[at], heap[least]] = [heap[least]!, heap[at]!]
      at = least
    }
  }
}

function isBefore(one: Due, other: Due): boolean {
  return one.at < other.at || (one.at === other.at && one.seq < other.seq)
}

/** Promises that nothing keeps waiting have been heard by then. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

export interface NodeClock {
  /** How fast its monotonic clock goes: 1 is as fast as the world's. */
  readonly rate: number
  /** How far its wall clock is ahead, in ms. It may be set. */
  aheadMs: number
}

const WALL_START = Date.UTC(2030, 0, 1)

/** The time of one node, until it is dead; a node that is paused does nothing before it goes on. */
export class NodeTime implements Time {
  readonly #world: SimTime
  readonly #clock: NodeClock
  #isDead = false
  pausedUntil = 0

  constructor(world: SimTime, clock: NodeClock) {
    this.#world = world
    this.#clock = clock
  }

  monotonicMs(): number {
    return 1_000 + this.#world.now * this.#clock.rate
  }

  wallMs(): number {
    return WALL_START + this.#world.now + this.#clock.aheadMs
  }

  after(ms: number, act: () => void): Timer {
    return this.#world.after(ms / this.#clock.rate, () => this.whenRunning(act))
  }

  whenRunning(act: () => void): void {
    if (this.#isDead) return
    const leftMs = this.pausedUntil - this.#world.now
    if (leftMs > 0) this.#world.after(leftMs, () => this.whenRunning(act))
    else act()
  }

  get isDead(): boolean {
    return this.#isDead
  }

  die(): void {
    this.#isDead = true
  }
}
