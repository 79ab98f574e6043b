import type { IncomingMessage } from 'node:http'
import { type Carrier, carrierOf } from '../shared/bearer.ts'
import type { TokenContext, TokenPolicy } from '../shared/bound-token.ts'
import type { TlsConnection } from '../shared/tls-listener.ts'
import type { Peer } from './peers.ts'
import type { RefusalRate } from './refusal-rate.ts'
import type { SessionPlace, SessionPlaces } from './session-places.ts'

/** One request on either listener, as the guards see it. */
export interface CallContext extends TokenContext {
  readonly request: IncomingMessage
  readonly connection: TlsConnection
  readonly carrier: Carrier
  /** This node's host name. */
  readonly host: string
}

/** One upgrade on the peering listener. */
export interface UpgradeContext extends CallContext {
  readonly rate: RefusalRate
  readonly isUpgrade: boolean
  readonly upgradesOpen: number
  readonly mostUpgrades: number
  readonly places: SessionPlaces
  /** Set when the caller is admitted. */
  place?: SessionPlace
  peerNamed(name: unknown): Peer | undefined
}

export function callContext(
  request: IncomingMessage,
  connection: TlsConnection,
  call: { policy: TokenPolicy; host: string; audiences: readonly string[]; scope: string },
): CallContext {
  const carrier = carrierOf(request)
  return {
    ...call,
    request,
    connection,
    carrier,
    token: carrier.token ?? '',
    thumbprint: connection.certificate?.x5t,
  }
}
