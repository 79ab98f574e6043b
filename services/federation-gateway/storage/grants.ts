import type { Scope } from '../scope/document.ts'
import { instantIn } from '../scope/tables.ts'
import { type GrantStatus, grantAfter, statusAt } from '../states/grant.ts'
import type { Instant } from '../wire/instant.ts'
import { type Database, one, type Session } from './database.ts'
import { revokeLocked } from './revocation.ts'
import { sql } from './statement.ts'

/** A grant, as an administrator sees it. */
export interface Grant {
  readonly id: string
  readonly peerId: string
  readonly subjectUserId: string
  readonly scope: Scope
  /** By this moment: one whose time is over is expired, stored or not. */
  readonly status: GrantStatus
  readonly epoch: number
  readonly rateLimit: number
  readonly expiresAt: Date | null
  readonly createdAt: Instant
  readonly activatedAt: Date | null
  readonly endedAt: Date | null
  readonly endReason: string | null
  /** How far the CA is with revoking its certificates. `none`: there is none that could be used. */
  readonly certificateRevocation: 'none' | 'queued' | 'effective'
}

const MEMBERS = `
  g.id, g.peer_id AS "peerId", g.subject_user_id AS "subjectUserId", g.scope, g.epoch, g.rate_limit AS "rateLimit",
  CASE WHEN g.status IN ('pending', 'active') AND g.expires_at <= now() THEN 'expired' ELSE g.status END AS status,
  g.expires_at AS "expiresAt", ${instantIn('g.created_at')} AS "createdAt",
  g.activated_at AS "activatedAt", g.ended_at AS "endedAt", g.end_reason AS "endReason",
  CASE WHEN g.status <> 'revoked' THEN 'none' ELSE (
    SELECT CASE WHEN count(*) = 0 THEN 'none' WHEN bool_and(o.state = 'effective') THEN 'effective' ELSE 'queued' END
    FROM federation_revocation_outbox o WHERE o.tenant_id = g.tenant_id AND o.grant_id = g.id)
  END AS "certificateRevocation"`

export interface NewGrant {
  readonly tenantId: string
  readonly peerId: string
  readonly subjectUserId: string
  readonly scope: Scope
  readonly rateLimit: number
  readonly expiresAt: Date | null
}

/**
 * Makes a grant, pending; undefined where peer or subject are not, or no more, such that one can be made for them: they are held, so that
 * nobody can end them before it is there to be ended, too.
 */
export async function createGrant(session: Session, grant: NewGrant): Promise<Grant | undefined> {
  const { tenantId, peerId, subjectUserId, scope, rateLimit, expiresAt } = grant
  const made = await one<{ id: string }>(
    session,
    sql`
      WITH parties AS (
        SELECT p.id AS peer_id, u.id AS user_id FROM federation_peers p, users u
        WHERE p.tenant_id = ${tenantId}::uuid AND p.id = ${peerId}::uuid
          AND p.direction = 'inbound' AND p.state <> 'revoked'
          AND u.tenant_id = ${tenantId}::uuid AND u.id = ${subjectUserId}::uuid
          AND u.deleted_at IS NULL AND u.disabled_at IS NULL
        FOR SHARE
      )
      INSERT INTO federation_grants (id, tenant_id, peer_id, subject_user_id, scope, rate_limit, expires_at)
      SELECT ${crypto.randomUUID()}::uuid, ${tenantId}::uuid, peer_id, user_id, ${JSON.stringify(scope)}::jsonb,
        ${rateLimit}::int, ${expiresAt}::timestamptz FROM parties
      RETURNING id`,
  )
  return made === undefined ? undefined : getGrant(session, { tenantId, id: made.id })
}

export function getGrant(session: Session, { tenantId, id }: GrantPlace): Promise<Grant | undefined> {
  return one(session, {
    text: `SELECT ${MEMBERS} FROM federation_grants g WHERE g.tenant_id = $1::uuid AND g.id = $2::uuid`,
    values: [tenantId, id],
  })
}

export interface GrantPlace {
  readonly tenantId: string
  readonly id: string
}

export interface GrantQuery {
  readonly tenantId: string
  readonly peerId?: string
  readonly status?: GrantStatus
  readonly limit: number
  readonly below?: { readonly createdAt: Instant; readonly id: string }
}

/** Newest first. */
export function listGrants(session: Session, { tenantId, peerId, status, limit, below }: GrantQuery): Promise<Grant[]> {
  return session.query({
    text: `SELECT * FROM (
        SELECT ${MEMBERS}, g.created_at AS at FROM federation_grants g
        WHERE g.tenant_id = $1::uuid AND ($2::uuid IS NULL OR g.peer_id = $2::uuid)
          AND ($3::timestamptz IS NULL OR (g.created_at, g.id) < ($3::timestamptz, $4::uuid))
      ) g WHERE $5::text IS NULL OR g.status::text = $5 ORDER BY g.at DESC, g.id DESC LIMIT $6::int`,
    values: [tenantId, peerId ?? null, below?.createdAt ?? null, below?.id ?? null, status ?? null, limit],
  })
}

/** Undefined: there is none of this tenant, or it has ended. Who asks anew for what is there already changes nothing. */
export async function editScope(
  session: Session,
  { tenantId, id, scope }: GrantPlace & { readonly scope: Scope },
): Promise<Grant | undefined> {
  const [edited] = await session.query(sql`
    UPDATE federation_grants SET scope = ${JSON.stringify(scope)}::jsonb
    WHERE tenant_id = ${tenantId}::uuid AND id = ${id}::uuid AND status IN ('pending', 'active')
      AND (expires_at IS NULL OR expires_at > now())
    RETURNING id`)
  return edited === undefined ? undefined : getGrant(session, { tenantId, id })
}

export type Revoked =
  | { readonly grant: Grant; readonly changed: boolean }
  | { readonly grant: undefined; readonly why: 'absent' | 'grant_transition' }

/** Grant, certificates, epoch and outbox at once. One that is revoked stays as it is. */
export function revokeGrant(
  database: Database,
  { tenantId, id, reason }: GrantPlace & { readonly reason: string },
): Promise<Revoked> {
  return database.transaction(async (session) => {
    const found = await one<{ status: GrantStatus; expiresAt: Date | null; now: Date }>(
      session,
      sql`SELECT status, expires_at AS "expiresAt", now() AS now FROM federation_grants
        WHERE tenant_id = ${tenantId}::uuid AND id = ${id}::uuid FOR NO KEY UPDATE`,
    )
    if (found === undefined) return { grant: undefined, why: 'absent' }
    const status = statusAt(found, found.now.getTime())
    const after = grantAfter({ status, epoch: 0 }, 'revoke')
    if (after === undefined) return { grant: undefined, why: 'grant_transition' }
    const changed = status !== 'revoked'
    if (changed) await revokeLocked(session, { tenantId, grantIds: [id], reason })
    return { grant: (await getGrant(session, { tenantId, id }))!, changed }
  })
}

const SWEPT_AT_ONCE = 500

/** Stores of every tenant's grants whose time is over that they have ended. Answers which; what somebody holds is left to the next time. */
export function expireGrants(session: Session): Promise<GrantPlace[]> {
  return session.query(sql`
    UPDATE federation_grants SET status = 'expired', ended_at = now()
    WHERE id IN (
      SELECT id FROM federation_grants WHERE status IN ('pending', 'active') AND expires_at <= now()
      ORDER BY id LIMIT ${SWEPT_AT_ONCE} FOR UPDATE SKIP LOCKED)
    RETURNING tenant_id AS "tenantId", id`)
}

/** How many there are of each status, by this moment. */
export async function countGrants(
  session: Session,
  { tenantId }: { tenantId: string },
): Promise<Record<GrantStatus, number>> {
  const rows = await session.query<{ status: GrantStatus; grants: number }>(sql`
    SELECT CASE WHEN status IN ('pending', 'active') AND expires_at <= now() THEN 'expired' ELSE status END AS status,
      count(*) AS grants
    FROM federation_grants WHERE tenant_id = ${tenantId}::uuid GROUP BY 1`)
  const counts = { pending: 0, active: 0, revoked: 0, expired: 0 }
  return Object.assign(counts, Object.fromEntries(rows.map(({ status, grants }) => [status, grants])))
}

/** A grant whose last token was used, and no certificate came of it. */
export interface Unfinished {
  readonly grantId: string
  readonly at: Date
  readonly reason: string
}

const MOST_UNFINISHED = 100

/** Pending grants that wait for a new token, the newest first. */
export function unfinishedGrants(session: Session, { tenantId }: { tenantId: string }): Promise<Unfinished[]> {
  return session.query(sql`
    SELECT g.id AS "grantId", i.ended_at AS at, coalesce(i.reason, 'unknown') AS reason
    FROM federation_grants g CROSS JOIN LATERAL (
      SELECT state, ended_at, reason FROM federation_issuance
      WHERE tenant_id = g.tenant_id AND grant_id = g.id ORDER BY started_at DESC LIMIT 1) i
    WHERE g.tenant_id = ${tenantId}::uuid AND g.status = 'pending' AND (g.expires_at IS NULL OR g.expires_at > now())
      AND i.state = 'failed' AND NOT EXISTS (
        SELECT FROM federation_enrollment_tokens t
        WHERE t.tenant_id = g.tenant_id AND t.grant_id = g.id AND t.used_at IS NULL AND t.expires_at > now())
    ORDER BY i.ended_at DESC, g.id LIMIT ${MOST_UNFINISHED}::int`)
}
