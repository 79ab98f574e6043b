import type { Scope } from '../scope/document.ts'
import type { Rights } from '../scope/predicate.ts'
import type { GrantFacts } from '../states/admission.ts'
import type { GrantStatus } from '../states/grant.ts'
import type { LeafStatus, RegisteredLeaf } from '../states/leaf.ts'
import type { InboundPeerStatus } from '../states/peers.ts'
import { one, type Session } from './database.ts'
import { type RightsRow, rightsOf } from './rights.ts'
import { sql } from './statement.ts'

/** A grant as the database knows it at this request, with what its subject may do natively. */
export interface FoundGrant extends GrantFacts {
  readonly peerId: string
  readonly scope: Scope
  readonly epoch: number
  readonly rateLimit: number
  /** Undefined where there is no such user. */
  readonly rights: Rights | undefined
}

export interface FoundAdmission {
  readonly grant: FoundGrant | undefined
  /** The certificate with this serial number, whatever grant it is of. */
  readonly registered: RegisteredLeaf | undefined
}

/** All that the guards of a request look at, in one statement: it is on the way of every answer. */
export async function findAdmission(
  session: Session,
  { grantId, serial }: { readonly grantId: string; readonly serial: string },
): Promise<FoundAdmission> {
  const row = await one<FoundRow>(
    session,
    sql`
      SELECT g.id, g.tenant_id, g.peer_id, g.subject_user_id, g.scope, g.status, g.epoch, g.rate_limit, g.expires_at,
        p.direction, p.common_name, p.state,
        c.grant_id AS leaf_grant_id, c.x5t, c.status AS leaf_status, c.superseded_at,
        u.tenant_id AS subject_tenant_id, u.disabled_at, u.deleted_at, u.denied_resources, u.share_personal, (
          SELECT coalesce(json_agg(json_build_object('id', m.team_id, 'role', m.role) ORDER BY m.team_id), '[]')
          FROM team_members m WHERE m.tenant_id = g.tenant_id AND m.user_id = u.id) AS teams
      FROM federation_grants g
        JOIN federation_peers p ON p.tenant_id = g.tenant_id AND p.id = g.peer_id
        LEFT JOIN users u ON u.id = g.subject_user_id
        LEFT JOIN federation_certificates c ON c.serial = ${serial}
      WHERE g.id = ${grantId}::uuid`,
  )
  if (row === undefined) return { grant: undefined, registered: undefined }
  return { grant: grantIn(row), registered: leafIn(row) }
}

interface FoundRow extends RightsRow {
  readonly id: string
  readonly tenant_id: string
  readonly peer_id: string
  readonly subject_user_id: string
  readonly scope: Scope
  readonly status: GrantStatus
  readonly epoch: number
  readonly rate_limit: number
  readonly expires_at: Date | null
  readonly direction: 'inbound' | 'outbound'
  readonly common_name: string
  readonly state: InboundPeerStatus
  readonly leaf_grant_id: string | null
  readonly x5t: string
  readonly leaf_status: LeafStatus
  readonly superseded_at: Date | null
  readonly subject_tenant_id: string | null
  readonly disabled_at: Date | null
  readonly deleted_at: Date | null
}

function grantIn(row: FoundRow): FoundGrant {
  const { tenant_id: tenantId, subject_user_id: userId, subject_tenant_id: subjectTenantId } = row
  return {
    ...{ id: row.id, tenantId, peerId: row.peer_id, subjectUserId: userId, scope: row.scope, status: row.status },
    ...{ epoch: row.epoch, rateLimit: row.rate_limit, expiresAt: row.expires_at },
    peer: { direction: row.direction, commonName: row.common_name, status: row.state },
    subject:
      subjectTenantId === null
        ? undefined
        : { tenantId: subjectTenantId, disabledAt: row.disabled_at, deletedAt: row.deleted_at },
    rights: subjectTenantId === null ? undefined : rightsOf(row, { tenantId, userId }),
  }
}

function leafIn(row: FoundRow): RegisteredLeaf | undefined {
  if (row.leaf_grant_id === null) return undefined
  return { grantId: row.leaf_grant_id, x5t: row.x5t, status: row.leaf_status, supersededAt: row.superseded_at }
}
