/** mulberry32: small, and the same everywhere. Chooses what to break; nothing secret is made with it. Numbers from 0 to below 1. */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Choices of one attempt: the same for the same seed and index, whatever other attempts do meanwhile. */
export class Choices {
  readonly #next: () => number

  constructor(seed: number, index: number) {
    this.#next = randomFrom(Math.imul(seed ^ Math.imul(index + 1, 0x9e3779b1), 0x85ebca6b))
  }

  /** A whole number from 0 to below `count`. */
  below(count: number): number {
    return Math.floor(this.#next() * count)
  }

  /** Whether something of this probability happens. */
  chance(probability: number): boolean {
    return this.#next() < probability
  }

  pick<Member>(members: readonly Member[]): Member {
    return members[this.below(members.length)] as Member
  }

  bytes(count: number): Buffer {
    return Buffer.from(Array.from({ length: count }, () => this.below(256)))
  }
}
