import type { X509Certificate } from 'node:crypto'
import { type DecisionLog, recordUnanswered } from '../shared/decision-log.ts'
import { failureFields, type Log } from '../shared/log.ts'
import { atWallTime } from '../shared/wall-timer.ts'
import type { PeeringConfiguration } from './config.ts'
import { DialFailed, dial } from './dial.ts'
import { dialTarget } from './guards/dial-target.ts'
import type { OwnCertificates } from './own-certificates.ts'
import type { PeerTokens } from './peer-tokens.ts'
import type { Peer } from './peers.ts'
import { startRouteFeed } from './route-feed.ts'
import type { RouteTable } from './routes.ts'
import { SessionChannel, type SessionEnd } from './session-channel.ts'
import type { CloseCode } from './wire.ts'

export interface DialerOptions {
  readonly configuration: PeeringConfiguration
  readonly tokens: PeerTokens
  readonly routes: RouteTable
  readonly certificates: OwnCertificates
  readonly decisions: DecisionLog
  readonly log: Log
  readonly localAddress?: string
}

export interface OutboundState {
  state: 'disabled' | 'needs-token' | 'connecting' | 'connected' | 'waiting'
  since: string
  /** When the next attempt is made, while waiting. */
  nextAttempt?: string
  /** Code of what went wrong last, until it went well again. */
  lastError?: string
}

/** After this time up, a session that ends is no sign of a peer in trouble. */
const STABLE_MS = 60_000
const LONGEST_OVERLAP_MS = 5_000

/** Keeps one session to one peer: dials, sends our routes, and dials again with back-off. */
export class PeerDialer {
  readonly #options: DialerOptions
  #peer: Peer
  #session: SessionChannel | undefined
  /** Upgraded, and not opened by the peer yet. */
  #opening: SessionChannel | undefined
  #state: OutboundState = { state: 'waiting', since: new Date().toISOString() }
  #attempts = 0
  #timer: NodeJS.Timeout | undefined
  /** On a clock that nobody sets. */
  #upSince = 0
  #isDialing = false
  #isWoken = false
  #isStopped = false
  /** The last attempt found nobody there. */
  #isUnreached = false

  constructor(peer: Peer, options: DialerOptions) {
    this.#peer = peer
    this.#options = options
  }

  get state(): OutboundState {
    return this.#state
  }

  /** Dials now: at the start, and when the token, our certificate or the peer's record is another one. */
  wake(peer: Peer = this.#peer): void {
    this.#peer = peer
    this.#attempts = 0
    if (!peer.enabled) {
      clearTimeout(this.#timer)
      this.#endAll('peer_removed')
      this.#set({ state: 'disabled' })
    } else if (this.#isDialing) this.#isWoken = true
    else void this.#dial()
  }

  /** The peer has just opened a session here, so it is up: no need to wait for the next attempt. A refusal is waited out. */
  peerIsUp(): void {
    if (this.#state.state === 'waiting' && this.#isUnreached && !this.#isDialing) void this.#dial()
  }

  stop(code: CloseCode): void {
    this.#isStopped = true
    clearTimeout(this.#timer)
    this.#endAll(code)
  }

  #endAll(code: CloseCode): void {
    this.#opening?.end(code)
    this.#session?.end(code)
  }

  async #dial(): Promise<void> {
    // What becomes of the attempt that is under way says when the next one is due.
    if (this.#isStopped || !this.#peer.enabled || this.#isDialing) return
    clearTimeout(this.#timer)
    this.#isDialing = true
    try {
      await this.#dialOnce()
    } catch (failure) {
      this.#failed(failure)
    }
    this.#isDialing = false
    if (!this.#isWoken) return
    this.#isWoken = false
    void this.#dial()
  }

  async #dialOnce(): Promise<void> {
    const peer = this.#peer
    const { tokens, certificates, localAddress } = this.#options
    if (this.#session === undefined) this.#set({ state: 'connecting' }, this.#state.lastError)
    const found = await tokens.current(peer)
    if (found.token === undefined) {
      if (this.#session === undefined) this.#set({ state: 'needs-token' }, found.problem)
      // Files and records tell when they change; an auth server has to be asked again.
      if (peer.token.kind === 'source') this.#dialLater(this.#nextDelay())
      return
    }
    // A token works over the certificate that it is bound to, and over no other.
    const identity = certificates.outbound(found.thumbprint, peer.trustDomain)
    const target = { endpoint: peer.endpoint, token: found.token, identity, localAddress }
    await dial(target, (socket, certificate) => this.#openOn(socket, certificate, peer))
  }

  #openOn(socket: ConstructorParameters<typeof SessionChannel>[0], certificate: X509Certificate, peer: Peer): void {
    const { configuration, routes, log } = this.#options
    let feed: { stop(): void } | undefined
    const proof = atWallTime(certificate.validToDate.getTime(), () => this.#proofEnded(channel))
    let hasOpened = false
    const channel: SessionChannel = new SessionChannel(socket, {
      side: 'dialer',
      node: configuration.node,
      expectedNode: peer.name,
      holdTimeMs: configuration.peering.session.holdTimeMs,
      refused: () => 0,
      onOpen: () => {
        hasOpened = true
        const before = this.#session
        this.#session = channel
        if (this.#opening === channel) this.#opening = undefined
        // An attempt that was still to come is this one.
        clearTimeout(this.#timer)
        this.#upSince = performance.now()
        this.#set({ state: 'connected' })
        log.info('session-established', { peer: peer.name, direction: 'outbound' })
        feed = startRouteFeed({ node: configuration.node, peer: peer.name, channel }, routes)
        // The acceptor ends the older one itself, as soon as it has read our `open`.
        if (before !== undefined) endAfterOverlap(before, 'session_replaced')
      },
      onUpdate: () => undefined,
      onEnd: (end) => {
        feed?.stop()
        proof.close()
        this.#ended(channel, hasOpened, end)
      },
    })
    this.#opening = channel
    if (this.#isStopped) channel.end('shutdown')
    else if (!this.#peer.enabled) channel.end('peer_removed')
  }

  /** What the peer proved to be with has ended. By now it has another one, or it is none that a token goes to. */
  #proofEnded(channel: SessionChannel): void {
    if (channel === this.#session) this.wake()
    endAfterOverlap(channel, 'certificate_ended')
  }

  #ended(channel: SessionChannel, hasOpened: boolean, end: SessionEnd): void {
    const { log } = this.#options
    log.info('session-ended', { peer: this.#peer.name, direction: 'outbound', code: end.code, by: end.by })
    const wasCurrent = this.#session === channel
    const wasUpMs = wasCurrent ? performance.now() - this.#upSince : 0
    if (wasCurrent) this.#session = undefined
    if (this.#opening === channel) this.#opening = undefined
    if (this.#isStopped || !this.#peer.enabled) return
    // One that was replaced is nobody's loss.
    if (hasOpened && !wasCurrent) return
    if (wasUpMs >= STABLE_MS) this.#attempts = 0
    // The peer ends the one before as soon as it has opened the next: here that may be heard in the other order.
    if (this.#opening !== undefined) this.#set({ state: 'connecting' }, end.reason ?? end.code)
    // One that never opened counts as a failed attempt.
    else if (this.#session === undefined) this.#wait(this.#nextDelay(), end.reason ?? end.code)
    else this.#dialLater(this.#nextDelay())
  }

  #failed(failure: unknown): void {
    const { log, configuration } = this.#options
    const code = failure instanceof DialFailed ? failure.code : 'dial_failed'
    log.warn('dial-failed', { peer: this.#peer.name, ...failureFields(failure) })
    if (failure instanceof DialFailed && failure.kind === 'target') {
      this.#recordTarget(failure)
      // The peer's anchor may have been taken away: whoever we would not send a token to gets no routes from us either.
      this.#endAll('certificate_ended')
    }
    if (this.#isStopped) return
    const status = failure instanceof DialFailed ? failure.status : undefined
    const isRefused = status === 401 || status === 403
    const delayMs = isRefused ? jittered(configuration.peering.session.reconnectMaximumMs) : this.#nextDelay()
    this.#isUnreached = failure instanceof DialFailed && failure.kind === 'unreachable'
    // Where nobody proved to be another one, a session that was to be replaced goes on, with the token or certificate of before.
    if (this.#session === undefined) this.#wait(delayMs, code)
    else this.#dialLater(delayMs)
  }

  #recordTarget(failure: DialFailed): void {
    const { decisions, log } = this.#options
    recordUnanswered(decisions, log, {
      conn: failure.conn,
      listener: '',
      requestId: crypto.randomUUID(),
      action: 'peering:dial',
      verdict: 'refused',
      layer: 'tls',
      status: null,
      error: null,
      guard: dialTarget.id,
      reason: failure.code,
      target: this.#peer.name,
      principal: {},
      ms: 0,
    })
  }

  #nextDelay(): number {
    const { reconnectInitialMs, reconnectMaximumMs } = this.#options.configuration.peering.session
    const delay = Math.min(reconnectInitialMs * 2 ** this.#attempts, reconnectMaximumMs)
    this.#attempts += 1
    return jittered(delay)
  }

  #wait(delayMs: number, lastError: string): void {
    this.#set({ state: 'waiting', nextAttempt: new Date(Date.now() + delayMs).toISOString() }, lastError)
    this.#dialLater(delayMs)
  }

  #dialLater(delayMs: number): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => void this.#dial(), delayMs).unref()
  }

  #set(state: Omit<OutboundState, 'since'>, lastError?: string): void {
    this.#state = { ...state, since: new Date().toISOString(), ...(lastError === undefined ? {} : { lastError }) }
  }
}

/** Leaves the next session time to come up. */
function endAfterOverlap(channel: SessionChannel, code: CloseCode): void {
  setTimeout(() => channel.end(code), LONGEST_OVERLAP_MS).unref()
}

/** Nodes that lost one peer together must not come back to it together. */
function jittered(delayMs: number): number {
  return delayMs * (0.8 + Math.random() * 0.4)
}
