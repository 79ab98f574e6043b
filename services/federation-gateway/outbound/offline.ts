/** Told to a user session once for each time that a source is away. */
export interface OfflineNotice {
  readonly code: 'peer_offline'
  readonly source: string
  /** When the first contact failed. RFC 3339. */
  readonly since: string
}

/** Told to the log once for each time: `peer.offline` and `peer.online`. */
export type OfflineEvent =
  | { readonly event: 'peer.offline'; readonly peerId: string; readonly since: string }
  | { readonly event: 'peer.online'; readonly peerId: string; readonly since: string }

interface Episode {
  readonly since: string
  /** Sessions that know. They are forgotten with the episode. */
  readonly told: Set<string>
}

/** From the first contact with a peer that failed to the next that did not, it is one episode, however many calls fail in between. */
export class OfflineEpisodes {
  readonly #episodes = new Map<string, Episode>()
  readonly #now: () => number

  /** `now`: milliseconds since 1970. */
  constructor(now: () => number = Date.now) {
    this.#now = now
  }

  /** A contact failed. Answers what to log, at the first one. */
  failed(peerId: string): OfflineEvent | undefined {
    if (this.#episodes.has(peerId)) return undefined
    const since = new Date(this.#now()).toISOString()
    this.#episodes.set(peerId, { since, told: new Set() })
    return { event: 'peer.offline', peerId, since }
  }

  /** A contact did not fail. Answers what to log, after an episode. */
  reached(peerId: string): OfflineEvent | undefined {
    const episode = this.#episodes.get(peerId)
    this.#episodes.delete(peerId)
    return episode && { event: 'peer.online', peerId, since: episode.since }
  }

  /** A peer that was removed is neither away nor back. */
  removed(peerId: string): void {
    this.#episodes.delete(peerId)
  }

  /** What a session is to be told of a source that is away: once, and nothing where it is not away. */
  noticeFor(sessionId: string, peerId: string, source: string): OfflineNotice | undefined {
    const episode = this.#episodes.get(peerId)
    if (episode === undefined || episode.told.has(sessionId)) return undefined
    episode.told.add(sessionId)
    return { code: 'peer_offline', source, since: episode.since }
  }
}
