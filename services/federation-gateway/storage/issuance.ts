import type { Session } from './database.ts'
import { sql } from './statement.ts'

/** A certificate that was on its way, and did not come to be registered. */
export interface FailedIssuance {
  readonly id: string
  readonly tenantId: string
  readonly grantId: string
  readonly requestId: string
  readonly purpose: 'enrolment' | 're-enrolment' | 'renewal'
}

export async function failIssuance(
  session: Session,
  { tenantId, id, reason, serial = null }: { tenantId: string; id: string; reason: string; serial?: string | null },
): Promise<void> {
  await session.query(sql`
    UPDATE federation_issuance SET state = 'failed', reason = ${reason}, serial = ${serial}, ended_at = now()
    WHERE tenant_id = ${tenantId}::uuid AND id = ${id}::uuid AND state = 'open'`)
}

/**
 * Closes those of every tenant that somebody began who is gone: older than any call of a CA takes. Their grants can be enrolled again, and
 * each is answered once, so that each gets one row in the audit.
 */
export function failAbandoned(
  session: Session,
  { olderThanSeconds, reason }: { olderThanSeconds: number; reason: string },
): Promise<FailedIssuance[]> {
  return session.query(sql`
    UPDATE federation_issuance SET state = 'failed', reason = ${reason}, ended_at = now()
    WHERE state = 'open' AND started_at <= now() - make_interval(secs => ${olderThanSeconds}::int)
    RETURNING id, tenant_id AS "tenantId", grant_id AS "grantId", request_id AS "requestId", purpose`)
}

/** The certificate is registered, in this very transaction. False: it was given up meanwhile. */
export async function closeRegistered(
  session: Session,
  { tenantId, id, serial }: { tenantId: string; id: string; serial: string },
): Promise<boolean> {
  const closed = await session.query(sql`
    UPDATE federation_issuance SET state = 'registered', serial = ${serial}, ended_at = now()
    WHERE tenant_id = ${tenantId}::uuid AND id = ${id}::uuid AND state = 'open' RETURNING id`)
  return closed.length > 0
}
