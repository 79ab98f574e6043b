import type { Log } from '../../shared/log.ts'
import { archiveAudit } from '../storage/audit/archive.ts'
import { auditRowOf } from '../storage/audit/decision.ts'
import { insertAudit } from '../storage/audit/rows.ts'
import { Database } from '../storage/database.ts'
import { expireGrants } from '../storage/grants.ts'
import { type FailedIssuance, failAbandoned } from '../storage/issuance.ts'
import { noteOver } from '../storage/revocation-outbox.ts'
import { type Repeated, repeat } from './repeat.ts'

export interface SweepsOptions {
  readonly database: Database
  readonly databaseUrl: string
  readonly archiveAfterDays: number
  readonly log: Pick<Log, 'info' | 'warn'>
}

const EXPIRE_EVERY_MS = 30_000
const ABANDONED_EVERY_MS = 5_000
const ARCHIVE_EVERY_MS = 3_600_000
const DAY_MS = 86_400_000
/** Longer than any call of a CA takes, with all that comes after it. */
const ABANDONED_AFTER_SECONDS = 15
const ABANDONED = 'issuance_abandoned'

/** What time alone changes. */
export function startSweeps({ database, databaseUrl, archiveAfterDays, log }: SweepsOptions): Pick<Repeated, 'stop'> {
  const short = [
    repeat('expiring-grants', EXPIRE_EVERY_MS, log, async () => {
      const expired = await expireGrants(database)
      if (expired.length > 0) log.info('grants-expired', { grants: expired.map(({ id }) => id) })
      await noteOver(database)
    }),
    repeat('closing-issuances', ABANDONED_EVERY_MS, log, () => closeAbandoned(database, log)),
  ]
  const archiving = repeat('archiving-audit', ARCHIVE_EVERY_MS, log, () => archive(databaseUrl, archiveAfterDays))
  return {
    async stop() {
      // Nobody waits for the archive: each of its portions is moved or not.
      void archiving.stop()
      await Promise.all(short.map((sweep) => sweep.stop()))
    },
  }
}

/** Certificates that a process was about to get when it ended: each has its row, together with its end. */
async function closeAbandoned(database: Database, log: Pick<Log, 'warn'>): Promise<void> {
  const failed = await database.transaction(async (session) => {
    const closed = await failAbandoned(session, { olderThanSeconds: ABANDONED_AFTER_SECONDS, reason: ABANDONED })
    await insertAudit(session, closed.map(rowOf))
    return closed
  })
  for (const { grantId, requestId, purpose } of failed) log.warn('issuance-abandoned', { grantId, requestId, purpose })
}

function rowOf({ tenantId, grantId, requestId, purpose }: FailedIssuance) {
  const verb = purpose === 'renewal' ? 'renew' : 'enrol'
  const about = { conn: '', listener: '', action: verb, layer: 'http', target: '', guard: null, error: null } as const
  const audit = { direction: 'inbound', verb, tenantId, outcome: 'failed' } as const
  const decision = { ...about, requestId, verdict: 'refused', status: null, reason: ABANDONED, ms: 0, audit } as const
  return auditRowOf({ ...decision, principal: { grantId } }, new Date().toISOString())
}

async function archive(url: string, days: number): Promise<void> {
  await using database = new Database({ url, role: 'gateway_archiver', withinMs: 60_000, sessions: 1 })
  await archiveAudit(database, new Date(Date.now() - days * DAY_MS))
}
