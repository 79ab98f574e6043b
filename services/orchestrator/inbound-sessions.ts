import type { WebSocket } from 'ws'
import { acceptedClaims, type BoundTokenClaims, tokenPrincipal } from '../shared/bound-token.ts'
import { type DecisionLog, recordUnanswered } from '../shared/decision-log.ts'
import type { Refusal } from '../shared/guard.ts'
import type { Log } from '../shared/log.ts'
import type { PeerCertificate } from '../shared/peer-certificate.ts'
import type { TlsMaterial } from '../shared/tls-material.ts'
import type { UpgradeContext } from './call-context.ts'
import { principalOf } from './call-record.ts'
import { type LiveContext, liveRecheck } from './guards/live-recheck.ts'
import { routeDomain, routeLimit, routeLoop, routeOrigin } from './guards/route.ts'
import { jtiPrefix } from './peer-token.ts'
import type { PeerChange, Peers } from './peers.ts'
import { isUnder, type RouteTable } from './routes.ts'
import { firstRefusalNow, SessionChannel, type SessionEnd } from './session-channel.ts'
import type { CloseCode, UpdateMessage } from './wire.ts'

export interface InboundOptions {
  readonly node: string
  readonly holdTimeMs: number
  readonly peers: Peers
  readonly routes: RouteTable
  readonly decisions: DecisionLog
  readonly log: Log
  readonly material: () => TlsMaterial
  /** A peer has opened its session. */
  readonly onEstablished: (peer: string) => void
}

/** One admitted session of a peer. */
interface InboundSession {
  readonly peer: string
  readonly channel: SessionChannel
  readonly context: UpgradeContext
  readonly claims: BoundTokenClaims
  readonly certificate: PeerCertificate
  readonly startedAt: number
  refused: number
  loops: number
  goodAt: number
  deepAt: number
  isAsking: boolean
}

export type InboundState = InboundDown | InboundUp

interface InboundDown {
  state: 'down'
  since: string
  /** Why the last session ended. */
  lastError?: string
}

interface InboundUp {
  state: 'connected'
  since: string
  /** Its first characters. */
  jti: string
  tokenExpiresAt: string
  /** Entries that were not installed: their domain is not the peer's. */
  refused: number
  /** Entries that were not installed: they had been here before. */
  loopDropped: number
}

/** Clocks and anchors are looked at this often, the auth server is asked every `DEEP_MS`. */
const GLANCE_MS = 500
const DEEP_MS = 4_500

/** Sessions that peers opened here: at most one established for each peer, judged again for as long as they live. */
export class InboundSessions {
  readonly #options: InboundOptions
  readonly #sessions = new Set<InboundSession>()
  readonly #established = new Map<string, InboundSession>()
  /** Peers that had a session and have none now. */
  readonly #down = new Map<string, InboundDown>()
  readonly #startedAt = new Date()
  readonly #staleTimers = new Map<string, NodeJS.Timeout>()
  readonly #glance: NodeJS.Timeout
  #isClosed = false

  constructor(options: InboundOptions) {
    this.#options = options
    this.#glance = setInterval(() => this.recheck(), GLANCE_MS).unref()
    options.peers.onChange((change) => this.#peerChanged(change))
  }

  /** Takes over an upgraded socket whose token every guard has passed. */
  admit(socket: WebSocket, context: UpgradeContext): void {
    const claims = acceptedClaims(context)
    const { certificate } = context.connection
    if (certificate === undefined) {
      context.place?.free()
      socket.terminate()
      return
    }
    const now = performance.now()
    const session: InboundSession = {
      peer: claims.sub,
      context,
      claims,
      certificate,
      startedAt: Date.now(),
      refused: 0,
      loops: 0,
      goodAt: now,
      deepAt: now,
      isAsking: false,
      channel: new SessionChannel(socket, {
        side: 'acceptor',
        node: this.#options.node,
        expectedNode: claims.sub,
        scope: claims.scope,
        holdTimeMs: this.#options.holdTimeMs,
        refused: () => session.refused,
        onOpen: () => {
          context.place?.opened()
          this.#establish(session)
        },
        onUpdate: (update) => this.#install(session, update),
        onEnd: (end) => this.#ended(session, end),
      }),
    }
    this.#sessions.add(session)
    // Its upgrade was under way when all others were ended.
    if (this.#isClosed) session.channel.end('shutdown')
  }

  state(peer: string): InboundState {
    const session = this.#established.get(peer)
    if (session === undefined) {
      return this.#down.get(peer) ?? { state: 'down', since: this.#startedAt.toISOString() }
    }
    return {
      state: 'connected',
      since: new Date(session.startedAt).toISOString(),
      jti: jtiPrefix(session.claims.jti),
      tokenExpiresAt: new Date(session.claims.exp * 1000).toISOString(),
      refused: session.refused,
      loopDropped: session.loops,
    }
  }

  /** Ends all, and whoever comes later at once. */
  close(): void {
    this.#isClosed = true
    for (const session of this.#sessions) session.channel.end('shutdown')
    clearInterval(this.#glance)
    for (const timer of this.#staleTimers.values()) clearTimeout(timer)
  }

  /** Judges every live session now; also called when anchors were read anew. */
  recheck(): void {
    for (const session of this.#sessions) this.#recheckOne(session)
  }

  /** Without a promise where nobody is asked: this is most of what an idle node does. */
  #recheckOne(session: InboundSession): void {
    const now = performance.now()
    // An auth server that answers late holds up no look at clocks and anchors.
    const isDeep = !session.isAsking && now - session.deepAt >= DEEP_MS
    const live: LiveContext = {
      token: session.context,
      claims: session.claims,
      certificate: session.certificate,
      material: this.#options.material(),
      sinceGoodMs: now - session.goodAt,
      isDeep,
    }
    if (isDeep) session.deepAt = now
    const answer = liveRecheck.check(live)
    if (answer instanceof Promise) void this.#whenAsked(session, live, answer, now)
    else if (answer !== undefined) endFor(session, answer)
  }

  async #whenAsked(
    session: InboundSession,
    live: LiveContext,
    answer: Promise<Refusal | undefined>,
    askedAt: number,
  ): Promise<void> {
    session.isAsking = true
    const refusal = await answer.finally(() => {
      session.isAsking = false
    })
    if (refusal !== undefined) endFor(session, refusal)
    else if (live.isUnsure !== true) session.goodAt = askedAt
  }

  /** Only now does a newcomer replace the session before it: one that never opens costs no good session. */
  #establish(session: InboundSession): void {
    const before = this.#established.get(session.peer)
    this.#established.set(session.peer, session)
    this.#options.routes.markStale(session.peer)
    // Bounded here too: a session that never comes to the end of its table must not keep them alive.
    this.#purgeLater(session.peer, session.channel.holdTimeMs)
    before?.channel.end('session_replaced')
    this.#options.log.info('session-established', { peer: session.peer, direction: 'inbound' })
    this.#options.onEstablished(session.peer)
  }

  #install(session: InboundSession, update: UpdateMessage): { guard: string; refusal: Refusal } | undefined {
    const { routes, peers, node } = this.#options
    if (this.#established.get(session.peer) !== session) return undefined
    const countWith = (added: Iterable<string>, removed?: Iterable<string>): number =>
      routes.countWith(session.peer, added, removed)
    const refused = firstRefusalNow([routeOrigin, routeLimit], { update, sender: session.peer, countWith })
    if (refused !== undefined) return refused
    const trusted = session.claims.trusted_domains ?? []
    const allowed = peers.get(session.peer)?.domains ?? []
    const dropped = new Map<string, { guard: string; reason: string; count: number }>()
    for (const entry of update.routes) {
      if (entry.op === 'withdraw') {
        routes.forget(session.peer, entry)
        continue
      }
      const { domain, path } = entry
      const drop = firstRefusalNow([routeLoop, routeDomain], { domain, path, node, trusted, allowed })
      if (drop === undefined) routes.learn(session.peer, entry)
      else {
        routes.forget(session.peer, entry)
        const { guard, refusal } = drop
        dropped.set(guard, { guard, reason: refusal.reason, count: (dropped.get(guard)?.count ?? 0) + 1 })
      }
    }
    for (const drop of dropped.values()) this.#recordDropped(session, drop)
    if (update.endOfSync === true) {
      this.#cancelPurge(session.peer)
      routes.purgeStale(session.peer)
    }
    return undefined
  }

  /** One record for each message, however many entries it drops. */
  #recordDropped(session: InboundSession, { guard, reason, count }: { guard: string; reason: string; count: number }) {
    if (guard === routeLoop.id) session.loops += count
    else session.refused += count
    this.#record(session, 'peering:route', { guard, reason }, null)
  }

  #ended(session: InboundSession, end: SessionEnd): void {
    const { routes, log } = this.#options
    this.#sessions.delete(session)
    session.context.place?.free()
    if (end.guard !== undefined) this.#record(session, 'peering:session', end, end.code)
    log.info('session-ended', { peer: session.peer, direction: 'inbound', code: end.code, by: end.by })
    if (this.#established.get(session.peer) !== session) return
    this.#established.delete(session.peer)
    const lastError = end.reason ?? end.code
    this.#down.set(session.peer, { state: 'down', since: new Date().toISOString(), lastError })
    // Replaced, it says, but nobody came in its place: then it is just gone.
    if (end.code === 'lost' || end.code === 'shutdown' || end.code === 'session_replaced') {
      routes.markStale(session.peer)
      this.#purgeLater(session.peer, session.channel.holdTimeMs)
    } else {
      this.#cancelPurge(session.peer)
      routes.withdrawAll(session.peer)
    }
  }

  /** The time runs from the first loss on: sessions that come and go do not make it longer. */
  #purgeLater(peer: string, afterMs: number): void {
    if (this.#staleTimers.has(peer)) return
    const purge = (): void => {
      this.#staleTimers.delete(peer)
      this.#options.routes.purgeStale(peer)
    }
    this.#staleTimers.set(peer, setTimeout(purge, afterMs).unref())
  }

  #cancelPurge(peer: string): void {
    clearTimeout(this.#staleTimers.get(peer))
    this.#staleTimers.delete(peer)
  }

  #record(
    session: InboundSession,
    action: string,
    cause: { guard?: string; reason?: string },
    error: string | null,
  ): void {
    const { conn, listener } = session.context.connection
    const { decisions, log, node } = this.#options
    recordUnanswered(decisions, log, {
      conn,
      listener,
      requestId: session.channel.id,
      action,
      verdict: 'refused',
      layer: 'session',
      status: null,
      error,
      guard: cause.guard ?? null,
      reason: cause.reason ?? null,
      target: node,
      principal: { ...principalOf(session.certificate), ...tokenPrincipal(session.context) },
      ms: 0,
    })
  }

  #peerChanged({ peer, before }: PeerChange): void {
    if (before === undefined) return
    const isGone = peer === undefined || !peer.enabled
    if (!isGone && peer.trustDomain === before.trustDomain && peer.host === before.host) {
      this.#options.routes.retain(peer.name, (route) => isUnder(route.domain, peer.domains))
      return
    }
    for (const session of this.#sessions) if (session.peer === before.name) session.channel.end('peer_removed')
    this.#options.routes.withdrawAll(before.name)
    if (peer === undefined) this.#down.delete(before.name)
  }
}

function endFor({ channel }: InboundSession, { error, reason }: Refusal): void {
  channel.end(error as CloseCode, { guard: liveRecheck.id, reason })
}
