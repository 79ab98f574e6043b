/** What is done with messages here, whatever they are of. */
export interface Ordered {
  readonly seq: number
}

/**
 * Keeps messages in the order of their stream although some come late: what was on its way to a process that was killed comes again only
 * when the broker has waited for its acknowledgement, after newer ones. Newer ones wait for them.
 */
export class InOrder<Message extends Ordered> {
  /** Messages up to this one were on their way. */
  readonly #until: number
  #missing: number
  readonly #late = new Map<number, Message>()
  #held: Message[] = []

  /**
   * @param missing how many messages were delivered and not acknowledged
   * @param until the newest that was delivered
   * @param applied the newest that was applied: up to there nothing can be out of order
   */
  constructor({ missing, until, applied }: { missing: number; until: number; applied: number }) {
    this.#missing = until > applied ? missing : 0
    this.#until = until
  }

  /** Takes a message as it comes; answers those whose turn it is. */
  take(message: Message): Message[] {
    if (!this.isWaiting) return [message]
    if (message.seq <= this.#until) this.#late.set(message.seq, message)
    else this.#held.push(message)
    return this.isWaiting ? [] : this.release()
  }

  /** Waits no longer: what has not come by then will not, for the stream keeps nothing for ever. */
  release(): Message[] {
    const late = [...this.#late.values()].sort((one, other) => one.seq - other.seq)
    this.#late.clear()
    this.#missing = 0
    return [...late, ...this.#held.splice(0)]
  }

  get isWaiting(): boolean {
    return this.#late.size < this.#missing
  }

  /** Messages that came and whose turn it is not: the broker must be told that they are not lost. */
  get waiting(): readonly Message[] {
    return [...this.#late.values(), ...this.#held]
  }
}
