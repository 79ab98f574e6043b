import { publicUrlOf } from './addresses.ts'
import type { FederationDeps } from './admin/deps.ts'
import { adminRoutes } from './admin/routes.ts'
import type { Core } from './core.ts'
import { doctor } from './doctor/doctor.ts'
import type { Federating, FederatingOptions } from './federating.ts'
import type { BearerDeps } from './listeners/bearer.ts'
import type { PublicRoute } from './listeners/public-listener.ts'
import type { OutboundPeers } from './outbound/peers.ts'

/** What administrators have to do with, where there is federation. */
export interface Administered {
  readonly prepared: FederatingOptions['prepared']
  readonly federating: Pick<Federating, 'keeper' | 'wakeRevocations'>
  readonly peers: OutboundPeers
}

/** What administrators ask of it. `administered`: undefined in a tier without federation. */
export function administering(core: Core, bearer: BearerDeps, administered: Administered | undefined): PublicRoute[] {
  const federation = administered && federationOf(core, administered)
  return adminRoutes({ database: core.database, bearer, federation })
}

function federationOf(core: Core, { prepared, federating, peers: outbound }: Administered): FederationDeps {
  const { configuration, federation } = prepared
  const { publicName, oids, rateLimit, tier } = configuration
  const { keyring, audit } = core
  if (keyring === undefined) throw new Error('a gateway with peers has a secret that seals their keys')
  const rootPem = String(federation.ca.root)
  const { keeper } = federating
  return {
    outbound,
    wakeRevocations: () => federating.wakeRevocations(),
    enrolment: { keyring, publicName, ownRootPem: rootPem, oids },
    publicUrl: publicUrlOf(configuration),
    ca: { fingerprint: federation.ca.fingerprint, rootPem },
    rateLimit: rateLimit.perGrant,
    state: {
      tier,
      audit: () => audit.state,
      crl: () => keeper.current?.issuing,
      crlProblem: () => keeper.problem,
    },
    doctor: () => doctor({ load: () => configuration, auditState: () => audit.state }),
  }
}
