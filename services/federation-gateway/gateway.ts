import { failureFields, type Log } from '../shared/log.ts'
import type { RunningService } from '../shared/service-main.ts'
import type { TlsListener } from '../shared/tls-listener.ts'
import { addressOf } from './addresses.ts'
import { administering } from './administering.ts'
import { asking, createPeers } from './asking.ts'
import { derInPem } from './certificates/pem.ts'
import { nodeName } from './config.ts'
import { type Core, closeCore, endFormerOperators, openCore } from './core.ts'
import { createEnrolling } from './enrolling.ts'
import { createCa, createFederating, type Federating, type FederatingOptions } from './federating.ts'
import { lendingVerbs } from './lending/verbs.ts'
import { readinessOf } from './lifecycle/readiness.ts'
import { watchServerCertificate } from './lifecycle/server-certificate.ts'
import { startSweeps } from './lifecycle/sweeps.ts'
import type { BearerDeps } from './listeners/bearer.ts'
import type { Verbs } from './listeners/federation-listener.ts'
import { createPublicListener, type PublicRoute } from './listeners/public-listener.ts'
import { RateLimit } from './listeners/rate-limits.ts'
import type { Prepared } from './start/prepare.ts'

/** Requests in flight have so long to end. */
const GRACE_MS = 10_000
const EXIT_FAILED = 1

/** Puts a gateway together of what was prepared, and starts it. */
export async function startGateway(prepared: Prepared, log: Log): Promise<RunningService> {
  const core = await openCore(prepared, log)
  const federation = isFederated(prepared) ? { prepared, core, ca: createCa(prepared) } : undefined
  const enrolling = federation && createEnrolling(federation)
  const federating = federation && federate(federation, { renew: enrolling!.renew })
  const peers = federation && createPeers(federation.prepared, core)
  const bearers = bearersOf(prepared, core)
  const administered = federation && { prepared: federation.prepared, federating: federating!, peers: peers! }
  const routes = [
    ...(enrolling?.routes ?? []),
    ...administering(core, bearers, administered),
    ...asking(prepared, core, { bearers, peers }),
  ]
  const listener = publicListener(prepared, core, { federating, routes })
  await peers?.start()
  await listener.listen()
  await federating?.start()
  await endFormerOperators(prepared, core)
  const { configuration, databaseUrl } = prepared
  const { archiveAfterDays } = configuration.audit
  const sweeps = startSweeps({ database: core.database, databaseUrl, archiveAfterDays, log })
  const certificate = watchServerCertificate(prepared, log, (material) => {
    listener.reload(material)
    federating?.reload(material)
  })
  return {
    reload: () => void certificate.read(),
    async stop() {
      certificate.close()
      await Promise.all([listener.close(GRACE_MS), federating?.stop(GRACE_MS), sweeps.stop()])
      await peers?.close()
      await closeCore(core)
      await prepared.embedded?.stop()
    },
  }
}

function isFederated(prepared: Prepared): prepared is FederatingOptions['prepared'] {
  return prepared.federation !== undefined
}

/** By which administrators and users are known. One for all routes: failures of an address count together. */
function bearersOf({ configuration }: Prepared, { database }: Core): BearerDeps {
  const mostFailures = configuration.rateLimit.authenticationsPerAddress
  return { session: database, failures: new RateLimit(), mostFailures, now: Date.now }
}

type Federation = Pick<FederatingOptions, 'prepared' | 'core' | 'ca'>

function federate(federation: Federation, { renew }: Pick<Verbs, 'renew'>): Federating {
  const { prepared, core } = federation
  const { publicName: source } = prepared.configuration
  return createFederating({
    ...federation,
    verbs: { ...lendingVerbs({ database: core.database, source, cursors: core.cursors }), renew },
    onClosed(failure) {
      core.log.error('federation-not-open', failureFields(failure))
      // Whoever started us may try again.
      process.exit(EXIT_FAILED)
    },
  })
}

/** `routes`: those beside the listener's own, each part with what it needs of `core` and of `prepared`. */
function publicListener(
  prepared: Prepared,
  core: Core,
  { federating, routes }: { federating: Federating | undefined; routes: readonly PublicRoute[] },
): TlsListener {
  const { configuration, material } = prepared
  const { publicName, listeners } = configuration
  const { records, log, audit: auditor } = core
  return createPublicListener({
    ...addressOf(listeners.public),
    ...{ names: [publicName], node: nodeName(configuration), material, records, log, auditor },
    ...{ routes, handshakeRecordsPerMinute: configuration.rateLimit.handshakeRecords },
    notReady: readinessOf(core, federating),
    list: () => {
      const inUse = federating?.keeper.current
      return inUse && derInPem(inUse.issuing.pem, 'X509 CRL')
    },
  })
}
