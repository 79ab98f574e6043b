import type { Core } from './core.ts'
import type { FederatingOptions } from './federating.ts'
import type { BearerDeps } from './listeners/bearer.ts'
import type { PublicRoute } from './listeners/public-listener.ts'
import { createOutboundPeers, type OutboundPeers } from './outbound/peers.ts'
import { queryRoutes } from './query/routes.ts'
import type { Prepared } from './start/prepare.ts'

/** The peers that this gateway calls. */
export function createPeers({ configuration, federation }: FederatingOptions['prepared'], core: Core): OutboundPeers {
  const { publicName, oids, outbound, cache, breaker } = configuration
  const { database, keyring, records: decisions, audit, log, tracing } = core
  if (keyring === undefined) throw new Error('a gateway with peers has a secret that seals their keys')
  return createOutboundPeers({
    ...{ database, keyring, publicName, ownRootPem: String(federation.ca.root), oids, decisions, audit, log, tracing },
    settings: { ...outbound, cache, breaker },
  })
}

/** What its users ask it. `peers`: undefined in a tier without federation. */
export function asking(
  { configuration }: Prepared,
  { cursors }: Core,
  { bearers, peers }: { readonly bearers: BearerDeps; readonly peers: OutboundPeers | undefined },
): PublicRoute[] {
  return queryRoutes({ ...bearers, cursors, peers, deadlineMs: configuration.outbound.deadlineMs })
}
