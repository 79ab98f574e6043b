import type { Rights } from '../scope/predicate.ts'
import type { Resource, Role } from '../scope/resources.ts'
import { one, type Session } from './database.ts'
import { sql } from './statement.ts'

/** A user, and what it may do natively at this moment. */
export interface NativeUser {
  readonly rights: Rights
  readonly name: string
  readonly isDisabled: boolean
  readonly isDeleted: boolean
}

export async function nativeUser(
  session: Session,
  { tenantId, userId }: { tenantId: string; userId: string },
): Promise<NativeUser | undefined> {
  const row = await one<RightsRow & { name: string; isDisabled: boolean; isDeleted: boolean }>(
    session,
    sql`
      SELECT u.name, u.disabled_at IS NOT NULL AS "isDisabled", u.deleted_at IS NOT NULL AS "isDeleted",
        u.denied_resources, u.share_personal, (
          SELECT coalesce(json_agg(json_build_object('id', m.team_id, 'role', m.role) ORDER BY m.team_id), '[]')
          FROM team_members m WHERE m.tenant_id = u.tenant_id AND m.user_id = u.id) AS teams
      FROM users u WHERE u.tenant_id = ${tenantId}::uuid AND u.id = ${userId}::uuid`,
  )
  if (row === undefined) return undefined
  const { name, isDisabled, isDeleted } = row
  return { rights: rightsOf(row, { tenantId, userId }), name, isDisabled, isDeleted }
}

export interface RightsRow {
  readonly denied_resources: Resource[]
  readonly share_personal: boolean
  readonly teams: { id: string; role: Role }[]
}

export function rightsOf(row: RightsRow, who: { tenantId: string; userId: string }): Rights {
  return { ...who, teams: row.teams, deniedResources: row.denied_resources, sharePersonal: row.share_personal }
}

/** Those of these teams that are of the tenant. */
export async function teamsOfTenant(
  session: Session,
  { tenantId, ids }: { tenantId: string; ids: readonly string[] },
): Promise<Set<string>> {
  const rows = await session.query<{ id: string }>(
    sql`SELECT id FROM teams WHERE tenant_id = ${tenantId}::uuid AND id = ANY(${ids}::uuid[])`,
  )
  return new Set(rows.map(({ id }) => id))
}

/** Names of teams, for people. */
export async function teamNames(
  session: Session,
  { tenantId, ids }: { tenantId: string; ids: readonly string[] },
): Promise<Map<string, string>> {
  const rows = await session.query<{ id: string; name: string }>(
    sql`SELECT id, name FROM teams WHERE tenant_id = ${tenantId}::uuid AND id = ANY(${ids}::uuid[])`,
  )
  return new Map(rows.map(({ id, name }) => [id, name]))
}
