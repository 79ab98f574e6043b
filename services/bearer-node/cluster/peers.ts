import type { Membership } from './membership.ts'
import type { Time } from './time.ts'

export type PeerAuth = 'ok' | 'refused_us' | 'we_refused' | 'unknown'

export interface PeerStatus {
  readonly id: string
  readonly url: string
  readonly voter: boolean
  readonly reachable: boolean
  /** Since anything came from it; null: nothing did yet. */
  readonly lastSeenMs: number | null
  readonly peerAuth: PeerAuth
  /** By how much its clock is ahead of ours, as far as a heartbeat tells; null: not known. */
  readonly clockDifferenceMs: number | null
}

type Verdict = 'ok' | 'refused' | 'unknown'

interface Peer {
  seenAt: number | undefined
  /** When it answered a call of ours last. */
  answeredAt: number | undefined
  isFailing: boolean
  /** What it makes of us. */
  ofUs: Verdict
  /** What we make of it. */
  ofThem: Verdict
  clockDifferenceMs: number | undefined
}

export interface PeerViewParts {
  readonly membership: Membership
  readonly time: Time
  /** Until a silent peer is lost. */
  readonly peerTimeoutMs: number
}

/** What this node knows of its peers, from what they answer and send. */
export class PeerView {
  readonly #parts: PeerViewParts
  readonly #peers: ReadonlyMap<string, Peer>

  constructor(parts: PeerViewParts) {
    this.#parts = parts
    this.#peers = new Map(
      parts.membership.others.map(({ id }) => [
        id,
        {
          ...{ seenAt: undefined, answeredAt: undefined, isFailing: false },
          ...{ ofUs: 'unknown', ofThem: 'unknown', clockDifferenceMs: undefined },
        },
      ]),
    )
  }

  answered(id: string, verdict: 'ok' | 'refused'): void {
    const peer = this.#peers.get(id)
    if (peer === undefined) return
    const now = this.#parts.time.monotonicMs()
    peer.seenAt = now
    // A peer that refuses us is no peer to work with, although it is there.
    if (verdict === 'ok') peer.answeredAt = now
    peer.isFailing = false
    peer.ofUs = verdict
  }

  failed(id: string): void {
    const peer = this.#peers.get(id)
    if (peer === undefined) return
    peer.isFailing = true
    peer.ofUs = 'unknown'
    // Until it calls again nobody knows whether it would still be let in.
    if (peer.ofThem === 'ok') peer.ofThem = 'unknown'
  }

  /** It called, or says that it did. `ofThem`: what we made of it. */
  heard(id: string, ofThem: 'ok' | 'refused'): void {
    const peer = this.#peers.get(id)
    if (peer === undefined) return
    peer.ofThem = ofThem
    if (ofThem === 'ok') peer.seenAt = this.#parts.time.monotonicMs()
  }

  clockOf(id: string, theirWallMs: number): void {
    const peer = this.#peers.get(id)
    if (peer !== undefined) peer.clockDifferenceMs = Math.round(theirWallMs - this.#parts.time.wallMs())
  }

  /** What it makes of us, to be told to it: it may not be able to name who called it. */
  ofUs(id: string): Verdict {
    return this.#peers.get(id)?.ofUs ?? 'unknown'
  }

  /** Whether it answered within the time after which a silent peer is lost. */
  isLive(id: string): boolean {
    const { answeredAt } = this.#peers.get(id) ?? {}
    return answeredAt !== undefined && this.#parts.time.monotonicMs() - answeredAt <= this.#parts.peerTimeoutMs
  }

  /** `longestSilenceMs`: between two calls of this node to one peer. */
  status(longestSilenceMs: number): PeerStatus[] {
    const now = this.#parts.time.monotonicMs()
    const lostAfterMs = Math.max(this.#parts.peerTimeoutMs, longestSilenceMs)
    return this.#parts.membership.others.map(({ id, url, voter }) => {
      const { seenAt, isFailing, ofUs, ofThem, clockDifferenceMs = null } = this.#peers.get(id)!
      const lastSeenMs = seenAt === undefined ? null : Math.max(0, Math.round(now - seenAt))
      const reachable = lastSeenMs !== null && !isFailing && lastSeenMs <= lostAfterMs
      return { id, url, voter, reachable, lastSeenMs, peerAuth: authOf(ofUs, ofThem), clockDifferenceMs }
    })
  }
}

/** What a peer makes of us is known from its own answer, and counts more. */
function authOf(ofUs: Verdict, ofThem: Verdict): PeerAuth {
  if (ofUs === 'refused') return 'refused_us'
  if (ofThem === 'refused') return 'we_refused'
  return ofUs === 'ok' || ofThem === 'ok' ? 'ok' : 'unknown'
}
