import { CHECK_IDS, type Check, type CheckId, type DoctorReport } from '../wire/doctor.ts'
import { auditLag } from './audit-lag.ts'
import { caClock, caCrl, caHealth, caHttps, caPin, caProvisioner } from './ca-checks.ts'
import { configSchema, secretStrength, serverCertificate, tierConsistent } from './configuration-checks.ts'
import {
  appendOnly,
  connect,
  migrations,
  roles,
  sealedRows,
  sealRoundTrip,
  storeFinding,
  vector,
  version,
} from './database-checks.ts'
import { type DoctorDeps, Examined } from './examined.ts'
import { type Finding, fail, notMade } from './finding.ts'

interface Look {
  readonly look: (examined: Examined) => Finding | Promise<Finding>
  /** Without these it cannot be made. */
  readonly after?: readonly CheckId[]
  /** Only where there is federation. */
  readonly isOfFederation?: boolean
}

const CONFIGURED: readonly CheckId[] = ['config.schema']
const CONNECTED: readonly CheckId[] = [...CONFIGURED, 'postgres.connect']
/** It has what its tier needs. */
const WHOLE: readonly CheckId[] = [...CONFIGURED, 'tier.consistent']
/** There are all tables, and the role that sessions of the gateway have. */
const MIGRATED: readonly CheckId[] = [...CONNECTED, 'postgres.version', 'postgres.migrations', 'postgres.roles']

const LOOKS: Readonly<Record<CheckId, Look>> = {
  'config.schema': { look: configSchema },
  'tier.consistent': { look: tierConsistent, after: CONFIGURED },
  'secret.strength': { look: secretStrength, after: CONFIGURED },
  'postgres.connect': { look: connect, after: CONFIGURED },
  'postgres.version': { look: version, after: CONNECTED },
  'postgres.migrations': { look: migrations, after: CONNECTED },
  'postgres.roles': { look: roles, after: CONNECTED },
  'postgres.append-only': { look: appendOnly, after: MIGRATED },
  'postgres.vector': { look: vector, after: CONNECTED },
  'seal.round-trip': { look: sealRoundTrip, after: MIGRATED },
  'seal.rows-readable': { look: sealedRows, after: MIGRATED },
  'tls.server-certificate': { look: serverCertificate, after: CONFIGURED },
  'ca.https': { look: caHttps, after: WHOLE, isOfFederation: true },
  'ca.pin': { look: caPin, after: WHOLE, isOfFederation: true },
  'ca.health': { look: caHealth, after: [...WHOLE, 'ca.https'], isOfFederation: true },
  'ca.provisioner': { look: caProvisioner, after: WHOLE, isOfFederation: true },
  'ca.clock': { look: caClock, after: [...WHOLE, 'ca.https'], isOfFederation: true },
  'ca.crl': { look: caCrl, after: WHOLE, isOfFederation: true },
  'audit.lag': { look: auditLag, after: MIGRATED },
}

/** Looks at all that a gateway stands on, one after the other, and changes nothing. Never rejects for what it finds. */
export async function doctor(deps: DoctorDeps): Promise<DoctorReport> {
  await using examined = new Examined(deps)
  const checks: Check[] = []
  for (const id of CHECK_IDS) {
    const started = performance.now()
    const { status, detail, remedy = null } = await lookAt(id, examined)
    examined.statuses.set(id, status)
    checks.push({ id, status, ms: Math.round((performance.now() - started) * 10) / 10, detail, remedy })
  }
  const tier = examined.configuration?.tier ?? null
  return { tier, ok: checks.every(({ status }) => status !== 'fail'), checks }
}

async function lookAt(id: CheckId, examined: Examined): Promise<Finding> {
  const { look, after = [], isOfFederation = false } = LOOKS[id]
  const missing = examined.missing(after)
  if (missing !== undefined) return notMade(`see ${missing}`)
  if (isOfFederation && !examined.isFederated) return notMade(`tier ${examined.configuration!.tier} has no federation`)
  try {
    return await look(examined)
  } catch (failure) {
    if (id.startsWith('ca.') || id.startsWith('tls.'))
      return fail((failure as Error).message, 'see the log of the gateway')
    return storeFinding(failure)
  }
}
