import type { BreakerState } from '../outbound/breaker.ts'

/** How a peer is that this process calls. */
export interface PeerHealth {
  readonly circuit: BreakerState
  readonly renewal: {
    /** When the next one is due. RFC 3339. */
    readonly nextAt: string | null
    /** In a row. */
    readonly failures: number
    /** Reason of the last one, while it counts. */
    readonly lastFailure: string | null
  }
  /** What somebody should look at, one line each. */
  readonly alerts: readonly string[]
}

/** The live outbound peers of a gateway, as far as administrators have to do with them. */
export interface OutboundPeers {
  /** A certificate of an enrolment was stored: from now on the peer is called with it. */
  enrolled(peerId: string): void
  /** The peer is gone from the database: its connections close, and what is kept of it is flushed. */
  removed(peerId: string): void
  /** Now, and whatever comes of it. `failure`: its reason. */
  renew(peerId: string): Promise<{ readonly failure?: string }>
  /** Undefined: nobody calls it here. */
  health(peerId: string): PeerHealth | undefined
}
