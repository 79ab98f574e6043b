import type { Session } from './database.ts'
import { sql } from './statement.ts'

// What the CA is still to be told, of every tenant: it is told by the gateway itself, for ever, until it has heard.

export interface DueRevocation {
  readonly serial: string
  readonly tenantId: string
  readonly grantId: string
  readonly reason: string
  readonly attempts: number
}

/** As long as one call of a CA may take, and more: so long nobody else tries the same one. */
const LEASE_SECONDS = 15
const LONGEST_PAUSE_SECONDS = 60

/** Takes those whose time has come, the oldest first. */
export function takeDue(session: Session, limit: number): Promise<DueRevocation[]> {
  return session.query(sql`
    UPDATE federation_revocation_outbox SET attempts = attempts + 1,
      next_at = now() + make_interval(secs => ${LEASE_SECONDS}::int)
    WHERE serial IN (
      SELECT serial FROM federation_revocation_outbox WHERE state = 'queued' AND next_at <= now()
      ORDER BY next_at, serial LIMIT ${limit}::int FOR UPDATE SKIP LOCKED)
    RETURNING serial, tenant_id AS "tenantId", grant_id AS "grantId", reason, attempts`)
}

/** The CA has heard. */
export async function noteRevoked(session: Session, { tenantId, serial }: SerialPlace): Promise<void> {
  await session.query(sql`
    UPDATE federation_revocation_outbox SET state = 'revoked', revoked_at = now(), last_failure = NULL
    WHERE tenant_id = ${tenantId}::uuid AND serial = ${serial} AND state = 'queued'`)
}

/** It has not: again after 1, 2, 4 … 60 seconds. */
export async function noteFailed(
  session: Session,
  { tenantId, serial, failure }: SerialPlace & { readonly failure: string },
): Promise<void> {
  await session.query(sql`
    UPDATE federation_revocation_outbox SET last_failure = ${failure}, next_at = now() + make_interval(
      secs => least(${LONGEST_PAUSE_SECONDS}::int, power(2, least(attempts, 10) - 1)))
    WHERE tenant_id = ${tenantId}::uuid AND serial = ${serial} AND state = 'queued'`)
}

/** A list of revoked certificates that is in force names them: no handshake with them succeeds any more. */
export async function noteEffective(session: Session, serials: readonly string[]): Promise<void> {
  await session.query(sql`
    UPDATE federation_revocation_outbox SET state = 'effective', effective_at = now(),
      revoked_at = coalesce(revoked_at, now())
    WHERE serial = ANY(${serials}::text[]) AND state <> 'effective'`)
}

/** The CA has heard of them, and they have ended meanwhile: its list need not name them any more (RFC 5280 section 3.3). */
export async function noteOver(session: Session): Promise<void> {
  await session.query(sql`
    UPDATE federation_revocation_outbox o SET state = 'effective', effective_at = now()
    FROM federation_certificates c WHERE o.state = 'revoked' AND c.serial = o.serial AND c.not_after <= now()`)
}

export interface SerialPlace {
  readonly tenantId: string
  readonly serial: string
}

/** For status, of one tenant: how many wait, since when, and what stood in the way the last time. */
export async function outboxState(
  session: Session,
  { tenantId }: { tenantId: string },
): Promise<{ queued: number; oldest: Date | null; lastFailure: string | null }> {
  const [row] = await session.query<{ queued: number; oldest: Date | null; lastFailure: string | null }>(sql`
    SELECT count(*) AS queued, min(created_at) AS oldest,
      (array_agg(last_failure ORDER BY next_at) FILTER (WHERE last_failure IS NOT NULL))[1] AS "lastFailure"
    FROM federation_revocation_outbox WHERE tenant_id = ${tenantId}::uuid AND state = 'queued'`)
  return row!
}
