import { LRUCache } from 'lru-cache'
import { guard } from '../../shared/guard.ts'

/** Whose answer to what. The same words of two owners, or two pages of one list, are two answers. */
export interface CachedQuery {
  readonly peerId: string
  readonly ownerId: string
  readonly grantId: string
  readonly resource: string
  readonly queryHash: string
  /** The page: a query hash says nothing of it. */
  readonly cursor: string | undefined
}

/** What the lender said in this request of the grant behind a cached answer: that it stands, at this epoch. */
export interface Confirmation {
  readonly grantId: string
  readonly epoch: number
}

export interface CacheLimits {
  readonly seconds: number
  readonly bytes: number
}

interface Held {
  readonly epoch: number
  readonly text: string
}

/** A hit that somebody would like to serve. */
export interface CacheHit {
  readonly grantId: string
  readonly epoch: number
  readonly confirmation: Confirmation | undefined
}

/** By time alone an answer would be served for up to its whole life after the grant was revoked. */
export const outCache = guard<CacheHit>('out.cache', ['cache_unconfirmed'], ({ grantId, epoch, confirmation }) => {
  const isConfirmed = confirmation?.grantId === grantId && confirmation.epoch === epoch
  return isConfirmed ? undefined : { reason: 'cache_unconfirmed', status: null }
})

/**
 * Lists that lenders have answered with, in memory and nowhere else. An answer is asked for in two steps: `epochOf` tells with which
 * epoch to ask the lender whether the grant stands, and `take` gives the answer for what the lender then said.
 */
export class ListCache {
  readonly #answers: LRUCache<string, Held>
  readonly #keysOfPeer = new Map<string, Set<string>>()

  /** `now`: milliseconds, of any clock that only goes forward. */
  constructor({ seconds, bytes }: CacheLimits, now: () => number = () => performance.now()) {
    this.#answers = new LRUCache({
      // What is larger than all of the cache is not kept, and throws nothing out: into a byte nothing goes, and 0 would be no size.
      maxSize: Math.max(1, bytes),
      sizeCalculation: ({ text }, key) => Buffer.byteLength(text) + key.length,
      ttl: seconds * 1000,
      ttlResolution: 0,
      perf: { now },
      dispose: (_, key) => this.#forget(key),
    })
  }

  get bytes(): number {
    return this.#answers.calculatedSize
  }

  /** Keeps an answer that came while the grant was at this epoch. As text: nobody can change it, and its size is known. */
  keep(query: CachedQuery, epoch: number, text: string): void {
    const key = keyOf(query)
    this.#answers.set(key, { epoch, text })
    if (!this.#answers.has(key)) return
    const keys = this.#keysOfPeer.get(query.peerId) ?? new Set()
    this.#keysOfPeer.set(query.peerId, keys.add(key))
  }

  /** The epoch under which an answer is held; undefined where there is none. */
  epochOf(query: CachedQuery): number | undefined {
    return this.#answers.get(keyOf(query))?.epoch
  }

  /** The answer, once the lender has confirmed its grant at its epoch in this request. At any other epoch all of the peer is flushed. */
  take(query: CachedQuery, confirmation: Confirmation | undefined): string | undefined {
    const held = this.#answers.get(keyOf(query))
    if (held === undefined) return undefined
    const hit = { grantId: query.grantId, epoch: held.epoch, confirmation }
    if (outCache.check(hit) === undefined) return held.text
    if (confirmation !== undefined) this.flush(query.peerId)
    return undefined
  }

  /** Forgets all that came from a peer: it said no, it is revoked or removed, or the grant has changed. */
  flush(peerId: string): void {
    for (const key of [...(this.#keysOfPeer.get(peerId) ?? [])]) this.#answers.delete(key)
    this.#keysOfPeer.delete(peerId)
  }

  #forget(key: string): void {
    const [peerId] = JSON.parse(key) as [string]
    const keys = this.#keysOfPeer.get(peerId)
    keys?.delete(key)
    if (keys?.size === 0) this.#keysOfPeer.delete(peerId)
  }
}

function keyOf({ peerId, ownerId, grantId, resource, queryHash, cursor = '' }: CachedQuery): string {
  return JSON.stringify([peerId, ownerId, grantId, 'list', resource, queryHash, cursor])
}
