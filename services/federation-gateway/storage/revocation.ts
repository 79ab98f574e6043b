import type { Session } from './database.ts'
import { sql } from './statement.ts'

// Ends of grants and of their certificates. Each is called within a transaction that holds the rows it ends.

/** Locks the grants of a peer or of a subject that have not ended, in the order that everybody keeps. Answers their ids. */
export async function lockLiveGrants(
  session: Session,
  of: { readonly tenantId: string } & ({ readonly peerId: string } | { readonly subjectUserId: string }),
): Promise<string[]> {
  const { peerId, subjectUserId } = { peerId: null, subjectUserId: null, ...of }
  const rows = await session.query<{ id: string }>(sql`
    SELECT id FROM federation_grants
    WHERE tenant_id = ${of.tenantId}::uuid AND status IN ('pending', 'active')
      AND (peer_id = ${peerId}::uuid OR subject_user_id = ${subjectUserId}::uuid)
    ORDER BY id FOR NO KEY UPDATE`)
  return rows.map(({ id }) => id)
}

/** Revokes grants that are locked, with all their certificates; the CA is told by the outbox. */
export async function revokeLocked(
  session: Session,
  { tenantId, grantIds, reason }: { tenantId: string; grantIds: readonly string[]; reason: string },
): Promise<void> {
  if (grantIds.length === 0) return
  await session.query(sql`
    UPDATE federation_grants SET status = 'revoked', ended_at = now(), end_reason = ${reason}
    WHERE tenant_id = ${tenantId}::uuid AND id = ANY(${grantIds}::uuid[]) AND status IN ('pending', 'active')`)
  await revokeLeaves(session, { tenantId, grantIds, reason })
}

/** Revokes the certificates of these grants, and none of them comes back. */
export async function revokeLeaves(
  session: Session,
  { tenantId, grantIds, reason }: { tenantId: string; grantIds: readonly string[]; reason: string },
): Promise<void> {
  await session.query(sql`
    WITH ended AS (
      UPDATE federation_certificates SET status = 'revoked', revoked_at = now()
      WHERE tenant_id = ${tenantId}::uuid AND grant_id = ANY(${grantIds}::uuid[]) AND status <> 'revoked'
      RETURNING serial, tenant_id, grant_id, not_after
    )
    INSERT INTO federation_revocation_outbox (serial, tenant_id, grant_id, reason)
    SELECT serial, tenant_id, grant_id, ${reason} FROM ended WHERE not_after > now()
    ON CONFLICT (serial) DO NOTHING`)
}

/**
 * Has the CA revoke a certificate that was issued and not taken. One that is registered is left alone: a CA that gives the same serial
 * number twice must not end another grant's.
 */
export async function queueUnregistered(
  session: Session,
  { tenantId, grantId, serial, reason }: { tenantId: string; grantId: string; serial: string; reason: string },
): Promise<void> {
  await session.query(sql`
    INSERT INTO federation_revocation_outbox (serial, tenant_id, grant_id, reason)
    SELECT ${serial}, ${tenantId}::uuid, ${grantId}::uuid, ${reason}
    WHERE NOT EXISTS (SELECT FROM federation_certificates WHERE serial = ${serial})
    ON CONFLICT (serial) DO NOTHING`)
}
