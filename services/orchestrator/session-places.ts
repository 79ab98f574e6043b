/** Room for one session; taken before the upgrade is answered, so that upgrades side by side cannot take the same one. */
export interface SessionPlace {
  /** The session has opened: it no longer counts among those that may never do so. */
  opened(): void
  /** The session is over, or never began. May be called more than once. */
  free(): void
}

/** Sessions that one peer may have without having opened them: renewals and reconnects overlap, more is no use. */
const MOST_UNOPENED = 4

/** Counts inbound sessions: all of them, and for each peer those that have not opened. */
export class SessionPlaces {
  readonly #most: number
  readonly #unopened = new Map<string, number>()
  #taken = 0

  constructor(most: number) {
    this.#most = most
  }

  /** Undefined where the peer, or all peers together, have as many as they may. */
  take(peer: string): SessionPlace | undefined {
    if (this.#taken >= this.#most || (this.#unopened.get(peer) ?? 0) >= MOST_UNOPENED) return undefined
    this.#taken += 1
    this.#countUnopened(peer, 1)
    let isOpened = false
    let isFree = false
    const opened = (): void => {
      if (!isOpened) this.#countUnopened(peer, -1)
      isOpened = true
    }
    const free = (): void => {
      if (isFree) return
      isFree = true
      this.#taken -= 1
      opened()
    }
    return { opened, free }
  }

  #countUnopened(peer: string, change: 1 | -1): void {
    const count = (this.#unopened.get(peer) ?? 0) + change
    if (count === 0) this.#unopened.delete(peer)
    else this.#unopened.set(peer, count)
  }
}
