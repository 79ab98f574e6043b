import { type DialerOptions, type OutboundState, PeerDialer } from './peer-dialer.ts'
import type { Peers } from './peers.ts'
import type { CloseCode } from './wire.ts'

/** One dialer for each peer, for as long as the peer is configured. */
export class Dialers {
  readonly #dialers = new Map<string, PeerDialer>()
  readonly #peers: Peers
  readonly #options: DialerOptions

  constructor(peers: Peers, options: DialerOptions) {
    this.#peers = peers
    this.#options = options
    peers.onChange(({ peer, before }) => {
      const dialer = this.#dialers.get((peer ?? before)?.name ?? '')
      if (peer === undefined) {
        dialer?.stop('peer_removed')
        this.#dialers.delete(before.name)
      } else if (dialer === undefined) this.#start(peer.name)
      else dialer.wake(peer)
    })
    options.tokens.onChange((name) => this.#dialers.get(name)?.wake())
  }

  start(): void {
    for (const { name } of this.#peers.all()) this.#start(name)
  }

  /** Our own certificate or an anchor is another one. */
  wakeAll(): void {
    for (const dialer of this.#dialers.values()) dialer.wake()
  }

  peerIsUp(name: string): void {
    this.#dialers.get(name)?.peerIsUp()
  }

  stop(code: CloseCode): void {
    for (const dialer of this.#dialers.values()) dialer.stop(code)
  }

  state(peer: string): OutboundState | undefined {
    return this.#dialers.get(peer)?.state
  }

  #start(name: string): void {
    const peer = this.#peers.get(name)
    if (peer === undefined) return
    const dialer = new PeerDialer(peer, this.#options)
    this.#dialers.set(name, dialer)
    dialer.wake()
  }
}
