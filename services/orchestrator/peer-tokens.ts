import { failureFields, type Log } from '../shared/log.ts'
import type { StartFailure } from '../shared/start-failure.ts'
import { afterAtMost } from '../shared/wall-timer.ts'
import { watchFile } from '../shared/watch-file.ts'
import type { PeeringConfiguration } from './config.ts'
import {
  boundThumbprint,
  expectationFor,
  expiryOf,
  factsOf,
  readTokenFile,
  type TokenFacts,
  tokenProblem,
} from './peer-token.ts'
import type { Peer, PeerChange, Peers } from './peers.ts'
import { replaceFile } from './secret-file.ts'
import type { TokenSource } from './token-source.ts'

/** What is to be presented to a peer, or why there is nothing. */
export type PeerToken = { token: string; exp: number; thumbprint: string } | { token?: undefined; problem: string }

export interface PeerTokensOptions {
  configuration: PeeringConfiguration
  peers: Peers
  /** `x5t#S256` of the certificates that we can present, the newest first. */
  thumbprints: () => readonly string[]
  source: TokenSource
  log: Log
}

const REFRESH_AT = 0.8
const RETRY_MS = 5_000

/** The tokens that this node presents. Files are watched, sources asked anew at 80 % of a token's life. */
export class PeerTokens {
  readonly #options: PeerTokensOptions
  readonly #texts = new Map<string, string>()
  /** Asked for with every read of the state, so the token is decoded once. */
  readonly #known = new WeakMap<Peer, { text: string; facts: TokenFacts }>()
  readonly #watches = new Map<string, { close(): void }>()
  readonly #refreshes = new Map<string, { close(): void }>()
  /** How often each place was asked for a token: only the answer to the last question counts. */
  readonly #questions = new Map<string, number>()
  readonly #listeners = new Set<(peer: string) => void>()

  constructor(options: PeerTokensOptions) {
    this.#options = options
    const { nodeTokenFile } = options.configuration.peering
    for (const peer of options.peers.all()) this.#follow(peer)
    if (nodeTokenFile !== undefined) this.#watch(nodeTokenFile)
    options.peers.onChange((change) => this.#peerChanged(change))
  }

  /** Told the name of a peer whose token is another one now. */
  onChange(listener: (peer: string) => void): void {
    this.#listeners.add(listener)
  }

  async current(peer: Peer): Promise<PeerToken> {
    const text = await this.#textFor(peer).catch((failure: unknown): StartFailure => failure as StartFailure)
    if (typeof text !== 'string') return { problem: (text as Partial<StartFailure>).reason ?? 'token_source_failed' }
    const { configuration, thumbprints } = this.#options
    let first: string | undefined
    for (const thumbprint of thumbprints()) {
      const problem = tokenProblem(text, expectationFor(peer, configuration, thumbprint))
      if (problem === undefined) return { token: text, exp: expiryOf(text) ?? 0, thumbprint }
      first ??= problem.reason
    }
    return { problem: first ?? 'token_source_failed' }
  }

  /** `x5t#S256` that the token at hand is bound to, without asking anybody for one. */
  boundTo(peer: Peer): string | undefined {
    const text = peer.token.kind === 'text' ? peer.token.token : this.#texts.get(this.#placeOf(peer))
    return text === undefined ? undefined : boundThumbprint(text)
  }

  /** Whether anything that we present, or our own node token, is bound to this certificate. */
  isAnyBoundTo(thumbprint: string): boolean {
    const { peers, configuration } = this.#options
    const { nodeTokenFile } = configuration.peering
    if (peers.all().some((peer) => peer.enabled && this.boundTo(peer) === thumbprint)) return true
    try {
      return nodeTokenFile !== undefined && boundThumbprint(readTokenFile(nodeTokenFile, nodeTokenFile)) === thumbprint
    } catch {
      return false
    }
  }

  /** After a renewal: fetches anew, over the new certificate, what we may fetch. Resolves when each was tried once. */
  async rebind(): Promise<void> {
    const { peers } = this.#options
    await Promise.all([this.#refreshNodeToken(), ...peers.all().map((peer) => this.#refresh(peer))])
  }

  /** What the token at hand says of itself, without asking anybody for one. */
  atHand(peer: Peer): TokenFacts | undefined {
    const text = peer.token.kind === 'text' ? peer.token.token : this.#texts.get(this.#placeOf(peer))
    if (text === undefined) return undefined
    const known = this.#known.get(peer)
    if (known?.text === text) return known.facts
    const facts = factsOf(text)
    this.#known.set(peer, { text, facts })
    return facts
  }

  close(): void {
    for (const watch of this.#watches.values()) watch.close()
    for (const timer of this.#refreshes.values()) timer.close()
    this.#questions.clear()
  }

  async #textFor(peer: Peer): Promise<string> {
    const { configuration } = this.#options
    if (peer.token.kind === 'text') return peer.token.token
    const place = this.#placeOf(peer)
    const known = this.#texts.get(place)
    if (known !== undefined && isInForce(known) && this.#canPresent(known)) return known
    if (peer.token.kind === 'source') {
      const fetched = await this.#fetch(peer.token, peer.trustDomain, place)
      if (fetched !== undefined) this.#refreshLater(peer, fetched)
      return fetched ?? this.#texts.get(place) ?? ''
    }
    const path = peer.token.kind === 'file' ? peer.token.path : configuration.peering.nodeTokenFile
    const text = readTokenFile(path ?? '', `peer "${peer.name}"`)
    this.#texts.set(place, text)
    return text
  }

  /** A certificate that was put in the place of all by hand leaves tokens behind that work over none. */
  #canPresent(token: string): boolean {
    return this.#options.thumbprints().includes(boundThumbprint(token) ?? '')
  }

  #placeOf(peer: Peer): string {
    if (peer.token.kind === 'file') return peer.token.path
    return peer.token.kind === 'node'
      ? (this.#options.configuration.peering.nodeTokenFile ?? '')
      : `source of ${peer.name}`
  }

  #follow(peer: Peer): void {
    if (peer.token.kind === 'file') this.#watch(peer.token.path)
  }

  #watch(path: string): void {
    if (this.#watches.has(path)) return
    this.#watches.set(
      path,
      watchFile(path, () => this.#fileChanged(path)),
    )
  }

  #fileChanged(path: string): void {
    const { peers, log } = this.#options
    const affected = peers.all().filter((peer) => this.#placeOf(peer) === path)
    try {
      if (!this.#take(path, readTokenFile(path, path))) return
    } catch (failure) {
      // The token at hand stays in use until it ends.
      log.warn('token-file-unreadable', { file: path, ...failureFields(failure) })
      return
    }
    for (const peer of affected) this.#tell(peer.name)
  }

  /**
   * Answers whether the token at a place is another one now. Whoever mints may be slower than we renew: a token for the
   * certificate before never takes the place of one for the newest.
   */
  #take(place: string, text: string): boolean {
    const held = this.#texts.get(place)
    if (held === text) return false
    const newest = this.#options.thumbprints()[0]
    if (held !== undefined && isInForce(held) && boundThumbprint(held) === newest && boundThumbprint(text) !== newest) {
      this.#options.log.warn('token-not-taken', { place, message: 'it is not bound to our newest certificate' })
      return false
    }
    this.#texts.set(place, text)
    return true
  }

  /** Undefined where the same place was asked again meanwhile: the later answer counts, for it is over the newer certificate. */
  async #fetch(
    from: { issuer: string; resource: string },
    trustDomain: string | undefined,
    place: string,
  ): Promise<string | undefined> {
    const question = (this.#questions.get(place) ?? 0) + 1
    this.#questions.set(place, question)
    const fetched = await this.#options.source.fetch(from, trustDomain)
    if (this.#questions.get(place) !== question) return undefined
    this.#take(place, fetched)
    return fetched
  }

  #refreshLater(peer: Peer, token: string): void {
    const left = (expiryOf(token) ?? 0) * 1000 - Date.now()
    this.#later(peer.name, Math.max(1_000, left * REFRESH_AT), () => void this.#refresh(peer))
  }

  #later(name: string, afterMs: number, act: () => void): void {
    this.#refreshes.get(name)?.close()
    this.#refreshes.set(name, afterAtMost(afterMs, act))
  }

  async #refresh(peer: Peer): Promise<void> {
    const { log, peers } = this.#options
    if (peer.token.kind !== 'source' || peers.get(peer.name) !== peer) return
    try {
      const fetched = await this.#fetch(peer.token, peer.trustDomain, this.#placeOf(peer))
      if (fetched === undefined) return
      this.#refreshLater(peer, fetched)
      this.#tell(peer.name)
    } catch (failure) {
      log.warn('token-source-failed', { peer: peer.name, ...failureFields(failure) })
      this.#later(peer.name, RETRY_MS, () => void this.#refresh(peer))
    }
  }

  /** Our own auth server gives our node token to us as to any client. Peers that are sent it are dialled anew. */
  async #refreshNodeToken(): Promise<void> {
    const { log, peers, configuration } = this.#options
    const { nodeTokenFile, auth } = configuration.peering
    if (nodeTokenFile === undefined) return
    try {
      const fetched = await this.#fetch(
        { issuer: auth.issuer, resource: `https://${configuration.host}` },
        undefined,
        nodeTokenFile,
      )
      if (fetched === undefined) return
      replaceFile(nodeTokenFile, `${fetched}\n`)
      for (const peer of peers.all()) if (peer.token.kind === 'node') this.#tell(peer.name)
    } catch (failure) {
      log.warn('node-token-failed', failureFields(failure))
      this.#later('', RETRY_MS, () => void this.#refreshNodeToken())
    }
  }

  #peerChanged({ peer, before }: PeerChange): void {
    if (before?.token.kind === 'source') this.#texts.delete(this.#placeOf(before))
    if (peer !== undefined) this.#follow(peer)
  }

  #tell(peer: string): void {
    for (const listener of this.#listeners) listener(peer)
  }
}

function isInForce(token: string): boolean {
  return (expiryOf(token) ?? 0) > Date.now() / 1000
}
