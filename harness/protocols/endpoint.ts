import type { Shaken } from '../credentials/live-kind.ts'
import type { Identity } from '../pki/certificate.ts'
import type { Seat } from './seat.ts'
import type { Handshake } from './tls/handshake.ts'

/** Where a call goes and as whom; each call opens a connection of its own, so that the far end can be asked about it. */
export interface Endpoint {
  /** Where it is called from. */
  seat: Seat
  address: string
  port: number
  /** The name that is sent as SNI and that the server's certificate must cover. */
  host: string
  /** What the server's chain must end at, PEM. */
  anchorPem: string
  /** Presented to the server; absent: no client certificate. */
  identity?: Identity
  /** What the handshake does otherwise. */
  handshake?: Handshake
  timeoutMs?: number
  /** Hears of a handshake that our end has finished. */
  onSecure?: (shaken: Shaken) => void
}
