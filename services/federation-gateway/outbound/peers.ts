import type { DecisionLog } from '../../shared/decision-log.ts'
import { failureFields, type Log } from '../../shared/log.ts'
import type { Wait } from '../../shared/wall-timer.ts'
import { type Keyring, SealFailure } from '../sealing/keyring.ts'
import { isUsable } from '../states/peers.ts'
import type { AuditWriter } from '../storage/audit/writer.ts'
import type { Database } from '../storage/database.ts'
import { type CallablePeer, callablePeers, moveOutboundPeer } from '../storage/outbound-peers.ts'
import { readKey, type StoredKey } from '../storage/peer-keys.ts'
import { type Tracing, untraced } from '../tracing/tracing.ts'
import type { BreakerState } from './breaker.ts'
import { CallRecords } from './call-records.ts'
import { type Clock, wallClock } from './clock.ts'
import { ConnectedPeer, type OwnLeaf } from './connected-peer.ts'
import { Contacts } from './contacts.ts'
import type { Lender } from './lender.ts'
import { type CacheLimits, ListCache } from './list-cache.ts'
import { OfflineEpisodes, type OfflineNotice } from './offline.ts'
import type { PeerTrust } from './peer-certificate.ts'
import { peerRoot } from './peer-enrolment.ts'
import { Renewals } from './renewals.ts'

export interface OutboundPeersDeps {
  readonly database: Database
  readonly keyring: Keyring
  /** Our own common name. */
  readonly publicName: string
  /** PEM of the root of our own CA: that of a peer for which nobody named another one. */
  readonly ownRootPem: string | undefined
  readonly oids: PeerTrust['oids']
  readonly decisions: Pick<DecisionLog, 'record'>
  readonly audit: Pick<AuditWriter, 'open'>
  readonly log: Log
  readonly tracing?: Pick<Tracing, 'begin'>
  readonly settings: {
    readonly deadlineMs: number
    readonly localAddress?: string | undefined
    readonly cache: CacheLimits
    readonly breaker: { readonly failures: number; readonly coolDownSeconds: number }
  }
  readonly clock?: Clock
  /** From 0 to 1. */
  readonly random?: () => number
}

/** Why a peer cannot be asked: a reason of guard `qry.peer`. */
export type PeerProblem = 'peer_pending' | 'peer_expired' | 'peer_broken' | 'peer_revoked'

/** What is known of a peer here and not in the database. */
export interface PeerHealth {
  readonly circuit: BreakerState
  /** Calls go out with it. */
  readonly certificate: OwnLeaf
  readonly renewal: {
    /** When the next one is due. RFC 3339. */
    readonly nextAt: string
    /** In a row. */
    readonly failures: number
    /** Reason of the last one, while it counts. */
    readonly lastFailure: string | null
  }
  /** What somebody should look at, one line each. */
  readonly alerts: readonly string[]
}

/** All peers that this gateway calls. */
export interface OutboundPeers {
  /** Opens the keys of those that can be called, and keeps their certificates fresh from now on. */
  start(): Promise<void>
  /** A peer was enrolled: it is one of them. Never rejects: what fails is done again when the peer is asked. */
  enrolled(peerId: string): Promise<void>
  /** A peer was removed: nothing of it stays in memory, and no connection to it. */
  removed(peerId: string): void
  /** Now. `failure`: why it came to nothing, `peer_ended` for one that is not called. */
  renew(peerId: string): Promise<{ readonly failure?: string }>
  /** Undefined for one that is not called. */
  health(peerId: string): PeerHealth | undefined
  /** @param peer as the database has it at this request */
  lenderOf(peer: CallablePeer): Promise<Lender | PeerProblem>
  /** What a session is to be told of a peer that is away: once. */
  noticeFor(sessionId: string, peerId: string, source: string): OfflineNotice | undefined
  close(): Promise<void>
}

/** What other processes have done to peers is seen after so long, where no request sees it before. */
const LOOK_EVERY_MS = 30_000

export function createOutboundPeers(deps: OutboundPeersDeps): OutboundPeers {
  return new Peers(deps)
}

class Peers implements OutboundPeers {
  readonly #deps: OutboundPeersDeps
  readonly #clock: Clock
  readonly #connected = new Map<string, ConnectedPeer>()
  /** Those whose keys are being opened. */
  readonly #opening = new Map<string, Promise<ConnectedPeer | PeerProblem>>()
  /** Removed a moment ago: a key that was read before is not to be opened any more. */
  readonly #removed = new Set<string>()
  readonly #cache: ListCache
  readonly #episodes: OfflineEpisodes
  readonly #contacts: Contacts
  readonly #records: CallRecords
  readonly #renewals: Renewals
  #looking: Wait | undefined
  #isClosed = false

  constructor(deps: OutboundPeersDeps) {
    const {
      database,
      decisions,
      audit,
      log,
      tracing = untraced,
      settings,
      clock = wallClock,
      random = Math.random,
    } = deps
    this.#deps = deps
    this.#clock = clock
    this.#cache = new ListCache(settings.cache)
    this.#episodes = new OfflineEpisodes(clock.now)
    this.#contacts = new Contacts(database)
    this.#records = new CallRecords({
      ...{ decisions, audit, log, tracing },
      onContact: ({ tenantId, peerId: id }, failure) => {
        this.#contacts.note({ tenantId, id, ...(failure !== undefined && { failure }) })
      },
    })
    this.#renewals = new Renewals({
      ...{ ...deps, clock, random },
      onRenewed: (peerId, key) => this.#use(peerId, key),
      onEnded: (peerId) => void this.#ended(peerId),
    })
  }

  async start(): Promise<void> {
    await this.#look()
  }

  async enrolled(peerId: string): Promise<void> {
    try {
      await this.#usable(peerId)
    } catch (failure) {
      this.#deps.log.warn('peers-not-read', { peerId, ...failureFields(failure) })
    }
  }

  removed(peerId: string): void {
    this.#removed.add(peerId)
    this.#drop(peerId)
    this.#episodes.removed(peerId)
    this.#contacts.forget(peerId)
  }

  async renew(peerId: string): Promise<{ readonly failure?: string }> {
    const connected = await this.#usable(peerId)
    if (typeof connected === 'string') return { failure: connected }
    const renewal = await this.#renewals.renew(peerId)
    if (renewal?.renewed === true) return {}
    return { failure: renewal?.reason ?? 'peer_ended' }
  }

  health(peerId: string): PeerHealth | undefined {
    const connected = this.#connected.get(peerId)
    const renewal = this.#renewals.status(peerId)
    if (connected === undefined || renewal === undefined) return undefined
    const { alert, dueAt: nextAt, failures } = renewal
    const { leaf: certificate, breaker } = connected
    const until = certificate.notAfter.toISOString()
    return {
      ...{ circuit: breaker.state, certificate },
      renewal: { nextAt, failures, lastFailure: alert?.reason ?? null },
      alerts:
        alert === undefined
          ? []
          : [`renewals fail since ${alert.since} (${alert.reason}); it can be called until ${until}`],
    }
  }

  async lenderOf(peer: CallablePeer): Promise<Lender | PeerProblem> {
    if (!isUsable(peer.state)) {
      this.#drop(peer.id)
      return `peer_${peer.state}` as PeerProblem
    }
    const connected = await this.#connect(peer)
    return typeof connected === 'string' ? connected : connected.lender
  }

  noticeFor(sessionId: string, peerId: string, source: string): OfflineNotice | undefined {
    return this.#episodes.noticeFor(sessionId, peerId, source)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#looking?.close()
    await this.#renewals.close()
    for (const peerId of [...this.#connected.keys()]) this.#drop(peerId)
    await this.#contacts.settled()
  }

  /** The one of this id, connected; `peer_ended` for one that is not called. */
  async #usable(peerId: string): Promise<ConnectedPeer | PeerProblem | 'peer_ended'> {
    const [peer] = await callablePeers(this.#deps.database, { id: peerId })
    return peer !== undefined && isUsable(peer.state) ? this.#connect(peer) : 'peer_ended'
  }

  /** Looks which peers there are, now and again and again. */
  async #look(): Promise<void> {
    try {
      const before = [...this.#connected.keys()]
      this.#removed.clear()
      const peers = await callablePeers(this.#deps.database)
      const ids = new Set(peers.map(({ id }) => id))
      for (const peerId of before) if (!ids.has(peerId)) this.#drop(peerId)
      for (const peer of peers) await this.#connect(peer)
    } catch (failure) {
      this.#deps.log.warn('peers-not-read', failureFields(failure))
    }
    if (!this.#isClosed) this.#looking = this.#clock.at(this.#clock.now() + LOOK_EVERY_MS, () => void this.#look())
  }

  /** The peer with the key that is the current one by now. Those who need it together open it once. */
  async #connect(peer: CallablePeer): Promise<ConnectedPeer | PeerProblem> {
    const known = this.#connected.get(peer.id)
    if (known?.leaf.keyId === peer.currentKeyId && this.#isLive(known)) return known
    const opening = this.#opening.get(peer.id) ?? this.#open(peer)
    this.#opening.set(peer.id, opening)
    try {
      return await opening
    } finally {
      if (this.#opening.get(peer.id) === opening) this.#opening.delete(peer.id)
    }
  }

  async #open(peer: CallablePeer): Promise<ConnectedPeer | PeerProblem> {
    const { id: peerId, tenantId } = peer
    const key = await readKey(this.#deps.database, { tenantId, peerId, slot: 'current' })
    if (key?.notAfter == null || this.#isClosed || this.#removed.has(peerId)) return 'peer_pending'
    if (key.notAfter.getTime() <= this.#clock.now()) return this.#end(peer, 'leaf-ended', 'certificate_ended')
    try {
      return this.#use(peerId, key) ?? this.#admit(peer, key)
    } catch (failure) {
      if (!(failure instanceof SealFailure)) throw failure
      return this.#end(peer, 'key-lost', failure.code)
    }
  }

  /** Undefined: it is not called so far. */
  #use(peerId: string, key: StoredKey): ConnectedPeer | undefined {
    const known = this.#connected.get(peerId)
    if (known === undefined) return undefined
    if (known.leaf.keyId !== key.id) known.use(key)
    this.#renewals.watch(known)
    return known
  }

  #admit(peer: CallablePeer, key: StoredKey): ConnectedPeer | Promise<PeerProblem> {
    const { log, keyring, settings } = this.#deps
    const { deadlineMs, localAddress } = settings
    const { failures, coolDownSeconds } = settings.breaker
    const root = peerRoot(peer.caPem, this.#deps)
    if (root === undefined) return this.#end(peer, 'key-lost', 'ROOT_MISSING')
    const connected = new ConnectedPeer(peer, key, root, {
      ...{ cache: this.#cache, episodes: this.#episodes, records: this.#records, log, keyring },
      ...{ breaker: { failures, coolDownMs: coolDownSeconds * 1000 }, deadlineMs, localAddress },
      now: this.#clock.now,
      onRevoked: async () => void (await this.#end(peer, 'listed', 'certificate_revoked')),
    })
    this.#connected.set(peer.id, connected)
    this.#renewals.watch(connected)
    return connected
  }

  /** Its certificate ran out, unless another process has renewed it. */
  async #ended(peerId: string): Promise<void> {
    try {
      const [peer] = await callablePeers(this.#deps.database, { id: peerId })
      if (peer === undefined || !isUsable(peer.state)) this.#drop(peerId)
      else await this.#connect(peer)
    } catch (failure) {
      // Whoever asks finds that it has ended; the next look moves it.
      this.#deps.log.warn('peers-not-read', failureFields(failure))
    }
  }

  async #end(
    { id, tenantId }: CallablePeer,
    event: 'leaf-ended' | 'key-lost' | 'listed',
    reason: string,
  ): Promise<PeerProblem> {
    this.#drop(id)
    const moved = await moveOutboundPeer(this.#deps.database, { tenantId, id, event, reason })
    const state = moved.state ?? ENDED[event]
    if (moved.state !== undefined && moved.changed) this.#deps.log.error(`peer.${state}`, { peerId: id, reason })
    return `peer_${state}` as PeerProblem
  }

  #drop(peerId: string): void {
    this.#renewals.forget(peerId)
    this.#opening.delete(peerId)
    this.#connected.get(peerId)?.close()
    this.#connected.delete(peerId)
  }

  #isLive({ leaf }: ConnectedPeer): boolean {
    return this.#clock.now() < leaf.notAfter.getTime()
  }
}

const ENDED = { 'leaf-ended': 'expired', 'key-lost': 'broken', listed: 'revoked' } as const
