import type { Scope } from '../scope/document.ts'
import type { Rights } from '../scope/predicate.ts'
import type { GrantStatus } from '../states/grant.ts'
import type { LeafStatus, RegisteredLeaf } from '../states/leaf.ts'
import type { InboundPeerStatus, OutboundPeerStatus } from '../states/peers.ts'
import { one, type Session } from './database.ts'
import { type RightsRow, rightsOf } from './rights.ts'
import { sql } from './statement.ts'

/** What the database says of a grant that a certificate names, read anew for each request. */
export interface ProvenGrant {
  readonly grantId: string
  readonly tenantId: string
  readonly peerId: string
  readonly subjectUserId: string
  readonly scope: Scope
  readonly status: GrantStatus
  readonly epoch: number
  readonly rateLimit: number
  readonly expiresAt: Date | null
  /** Undefined: a row that no foreign key would have let be. */
  readonly peer: { direction: string; commonName: string; state: InboundPeerStatus | OutboundPeerStatus } | undefined
  /** The certificate with this serial number, whatever grant it is of. */
  readonly leaf: RegisteredLeaf | undefined
  readonly subject: { tenantId: string; isDisabled: boolean; isDeleted: boolean; rights: Rights } | undefined
}

/** All that the guards of a request look at, in one statement: it is on the way of every answer. */
export async function provenGrant(
  session: Session,
  { grantId, serial }: { grantId: string; serial: string },
): Promise<ProvenGrant | undefined> {
  const row = await one<ProvenRow>(
    session,
    sql`
      SELECT g.id, g.tenant_id, g.peer_id, g.subject_user_id, g.scope, g.status, g.epoch, g.rate_limit, g.expires_at,
        p.direction, p.common_name, p.state,
        c.grant_id AS leaf_grant_id, c.x5t, c.status AS leaf_status, c.superseded_at,
        u.tenant_id AS subject_tenant_id, u.disabled_at, u.deleted_at, u.denied_resources, u.share_personal, (
          SELECT coalesce(json_agg(json_build_object('id', m.team_id, 'role', m.role) ORDER BY m.team_id), '[]')
          FROM team_members m WHERE m.tenant_id = g.tenant_id AND m.user_id = u.id) AS teams
      FROM federation_grants g
        LEFT JOIN federation_peers p ON p.tenant_id = g.tenant_id AND p.id = g.peer_id
        LEFT JOIN users u ON u.id = g.subject_user_id
        LEFT JOIN federation_certificates c ON c.serial = ${serial}
      WHERE g.id = ${grantId}::uuid`,
  )
  return row === undefined ? undefined : provenOf(row)
}

interface ProvenRow extends RightsRow {
  readonly id: string
  readonly tenant_id: string
  readonly peer_id: string
  readonly subject_user_id: string
  readonly scope: Scope
  readonly status: GrantStatus
  readonly epoch: number
  readonly rate_limit: number
  readonly expires_at: Date | null
  readonly direction: string | null
  readonly common_name: string
  readonly state: InboundPeerStatus | OutboundPeerStatus
  readonly leaf_grant_id: string | null
  readonly x5t: string
  readonly leaf_status: LeafStatus
  readonly superseded_at: Date | null
  readonly subject_tenant_id: string | null
  readonly disabled_at: Date | null
  readonly deleted_at: Date | null
}

function provenOf(row: ProvenRow): ProvenGrant {
  const { tenant_id: tenantId, subject_user_id: subjectUserId } = row
  return {
    ...{ grantId: row.id, tenantId, peerId: row.peer_id, subjectUserId, scope: row.scope, status: row.status },
    ...{ epoch: row.epoch, rateLimit: row.rate_limit, expiresAt: row.expires_at },
    peer:
      row.direction === null ? undefined : { direction: row.direction, commonName: row.common_name, state: row.state },
    leaf:
      row.leaf_grant_id === null
        ? undefined
        : { grantId: row.leaf_grant_id, x5t: row.x5t, status: row.leaf_status, supersededAt: row.superseded_at },
    subject:
      row.subject_tenant_id === null
        ? undefined
        : {
            tenantId: row.subject_tenant_id,
            isDisabled: row.disabled_at !== null,
            isDeleted: row.deleted_at !== null,
            rights: rightsOf(row, { tenantId, userId: subjectUserId }),
          },
  }
}
