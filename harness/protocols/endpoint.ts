import type { Shaken } from '../credentials/live-kind.ts'
import type { Identity } from '../pki/certificate.ts'
import type { Seat } from './seat.ts'
import type { Handshake } from './tls/handshake.ts'

/** For connecting, and for answering, where an endpoint says nothing else. */
const defaultTimeoutMs = 30_000

/** How long the far end is waited for, or the time for something that takes `ms` elsewhere. */
export function patience({ timeoutMs = defaultTimeoutMs, slowness = 1 }: Waited, ms = timeoutMs): number {
  return ms * slowness
}

type Waited = Pick<Endpoint, 'timeoutMs' | 'slowness'>

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
  /** It speaks no TLS: what is said is said in the clear. */
  isPlain?: boolean
  /** For each step. Default 30 000. */
  timeoutMs?: number
  /** How many times as long as elsewhere all may take there; absent for 1. */
  slowness?: number
  /** Hears of a handshake that our end has finished. */
  onSecure?: (shaken: Shaken) => void
}
