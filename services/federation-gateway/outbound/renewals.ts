import { failureFields, type Log } from '../../shared/log.ts'
import type { Wait } from '../../shared/wall-timer.ts'
import { Places } from '../places.ts'
import { moveOutboundPeer } from '../storage/outbound-peers.ts'
import { dropKey, type StoredKey } from '../storage/peer-keys.ts'
import type { Clock } from './clock.ts'
import type { ConnectedPeer } from './connected-peer.ts'
import { type Renewal, type RenewalDeps, renewPeer } from './renewal.ts'
import { renewalDue, renewalPause } from './renewal-time.ts'

export interface RenewalsDeps extends Omit<RenewalDeps, 'now' | 'signal'> {
  readonly log: Log
  readonly clock: Clock
  /** From 0 to 1. */
  readonly random: () => number
  /** The peer has another key from now on. */
  onRenewed(peerId: string, key: StoredKey): void
  /** Its certificate ran out. */
  onEnded(peerId: string): void
}

/** Renewals fail since then. */
export interface RenewalAlert {
  readonly since: string
  readonly reason: string
}

export interface RenewalStatus {
  /** RFC 3339. */
  readonly dueAt: string
  readonly failures: number
  readonly alert: RenewalAlert | undefined
}

interface Watched {
  readonly peer: ConnectedPeer
  readonly keyId: string
  dueAt: number
  failures: number
  alert: RenewalAlert | undefined
  due: Wait | undefined
  end: Wait | undefined
  running: Promise<Renewal> | undefined
}

/** As long as a call with the certificate before may take (its connections are closed by then). */
const DRAIN_MS = 30_000
/** Each holds one of the pool's sessions while its peer is asked. */
const MOST_AT_ONCE = 8

/** Keeps the certificates of all peers that are called: each is renewed in time, again and again where that fails, until it has ended. */
export class Renewals {
  readonly #deps: RenewalsDeps
  readonly #watched = new Map<string, Watched>()
  readonly #drains = new Set<Wait>()
  readonly #closing = new AbortController()
  readonly #places = new Places(MOST_AT_ONCE)

  constructor(deps: RenewalsDeps) {
    this.#deps = deps
  }

  /** From now on, and anew for a peer whose certificate is another one. */
  watch(peer: ConnectedPeer): void {
    const { peerId } = peer.caller
    this.forget(peerId)
    const { clock, random } = this.#deps
    const watched: Watched = {
      ...{ peer, keyId: peer.leaf.keyId, failures: 0, alert: undefined, due: undefined, running: undefined },
      dueAt: renewalDue(peer.leaf, random()),
      end: clock.at(peer.leaf.notAfter.getTime(), () => this.#deps.onEnded(peerId)),
    }
    this.#watched.set(peerId, watched)
    this.#plan(watched)
  }

  forget(peerId: string): void {
    const watched = this.#watched.get(peerId)
    watched?.due?.close()
    watched?.end?.close()
    this.#watched.delete(peerId)
  }

  /** Now. Those who ask together renew once. Undefined: the peer is not called. */
  async renew(peerId: string): Promise<Renewal | undefined> {
    const watched = this.#watched.get(peerId)
    return watched && this.#renew(watched)
  }

  status(peerId: string): RenewalStatus | undefined {
    const watched = this.#watched.get(peerId)
    if (watched === undefined) return undefined
    const { dueAt, failures, alert } = watched
    return { dueAt: new Date(dueAt).toISOString(), failures, alert }
  }

  /** Ends those that are under way; their requests go out again after the next start. */
  async close(): Promise<void> {
    this.#closing.abort()
    const running = [...this.#watched.values()].map((watched) => watched.running)
    for (const peerId of [...this.#watched.keys()]) this.forget(peerId)
    for (const drain of this.#drains) drain.close()
    await Promise.allSettled(running)
  }

  #plan(watched: Watched): void {
    watched.due?.close()
    watched.due = this.#deps.clock.at(watched.dueAt, () => void this.#renew(watched))
  }

  #renew(watched: Watched): Promise<Renewal> {
    watched.running ??= this.#places
      .with('renewal', () => this.#attempt(watched))
      .finally(() => {
        watched.running = undefined
      })
    return watched.running
  }

  async #attempt(watched: Watched): Promise<Renewal> {
    const { clock, log } = this.#deps
    const { peerId } = watched.peer.caller
    const isEnded = () => this.#closing.signal.aborted || this.#watched.get(peerId) !== watched
    if (isEnded()) return { renewed: false, reason: 'peer_ended' }
    const deps = { ...this.#deps, now: clock.now, signal: this.#closing.signal }
    const renewal = await renewPeer(deps, watched.peer, watched.keyId).catch((failure: unknown): Renewal => {
      log.error('peer.renewal-failed', { peerId, ...failureFields(failure) })
      return { renewed: false, reason: 'internal' }
    })
    // A request that found the new key in the database has taken it up by now, and watches anew.
    if (renewal.renewed) this.#take(watched, renewal.key)
    else if (!isEnded()) await this.#failed(watched, renewal.reason)
    return renewal
  }

  #take({ peer, alert }: Watched, key: StoredKey): void {
    if (this.#closing.signal.aborted) return
    const { onRenewed, log, clock, database } = this.#deps
    const { peerId, tenantId } = peer.caller
    onRenewed(peerId, key)
    log.info('peer.renewed', { peerId, serial: key.serial, notAfter: key.notAfter?.toISOString() })
    if (alert !== undefined) log.info('peer.recovered', { peerId, since: alert.since })
    const drain = clock.at(clock.now() + DRAIN_MS, () => {
      this.#drains.delete(drain)
      // Nobody calls with it any more; the next renewal would remove it, too.
      dropKey(database, { tenantId, peerId, slot: 'previous' }).catch(() => {})
    })
    this.#drains.add(drain)
  }

  async #failed(watched: Watched, reason: string): Promise<void> {
    const { clock } = this.#deps
    // Whoever is at it tells of it; and one that has ended is no longer watched once somebody has looked.
    if (reason !== 'renewal_busy' && reason !== 'peer_ended') {
      watched.failures += 1
      await this.#degrade(watched, reason)
    }
    watched.dueAt = clock.now() + renewalPause(Math.max(1, watched.failures))
    const { peerId } = watched.peer.caller
    if (this.#watched.get(peerId) === watched) this.#plan(watched)
  }

  /** One alert for all failures until one succeeds. */
  async #degrade(watched: Watched, reason: string): Promise<void> {
    const { database, log, clock } = this.#deps
    const { peerId, tenantId } = watched.peer.caller
    const isFirst = watched.alert === undefined
    watched.alert = {
      since: watched.alert?.since ?? new Date(clock.now()).toISOString(),
      reason,
    }
    const notAfter = watched.peer.leaf.notAfter.toISOString()
    if (isFirst) log.error('peer.degraded', { peerId, reason, notAfter })
    await moveOutboundPeer(database, { tenantId, id: peerId, event: 'renewal-failed', reason }).catch(() => {})
  }
}
