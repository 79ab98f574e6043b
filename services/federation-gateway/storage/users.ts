import type { Resource } from '../scope/resources.ts'
import { type Database, one, type Session, undo } from './database.ts'
import { lockLiveGrants, revokeLocked } from './revocation.ts'
import { sql } from './statement.ts'
import { brokenUniqueness } from './unavailable.ts'

export interface UserPlace {
  readonly tenantId: string
  readonly id: string
}

export interface User {
  readonly id: string
  readonly name: string
  readonly displayName: string
  readonly isDisabled: boolean
}

const MEMBERS = `id, name, display_name AS "displayName", disabled_at IS NOT NULL AS "isDisabled"`

/** Undefined: the tenant has one of this name. */
export async function createUser(
  session: Session,
  { tenantId, name, displayName, email }: { tenantId: string; name: string; displayName: string; email?: string },
): Promise<User | undefined> {
  const id = crypto.randomUUID()
  try {
    await session.query(sql`
      INSERT INTO users (id, tenant_id, name, display_name, email)
      VALUES (${id}::uuid, ${tenantId}::uuid, ${name}, ${displayName}, ${email ?? null})`)
  } catch (failure) {
    if (brokenUniqueness(failure) === 'users_name') return undefined
    throw failure
  }
  return { id, name, displayName, isDisabled: false }
}

export function listUsers(session: Session, { tenantId }: { tenantId: string }): Promise<User[]> {
  return session.query({
    text: `SELECT ${MEMBERS} FROM users WHERE tenant_id = $1::uuid AND deleted_at IS NULL ORDER BY name`,
    values: [tenantId],
  })
}

export function getUser(session: Session, { tenantId, id }: UserPlace): Promise<User | undefined> {
  return one(session, {
    text: `SELECT ${MEMBERS} FROM users WHERE tenant_id = $1::uuid AND id = $2::uuid AND deleted_at IS NULL`,
    values: [tenantId, id],
  })
}

/** What of a user's own rights can be changed. The database adds one to the epoch of each grant that this touches. */
export interface RightsChange {
  readonly sharePersonal?: boolean
  readonly deniedResources?: readonly Resource[]
  readonly isDisabled?: boolean
}

/** False: this tenant has no such user. */
export async function changeRights(session: Session, place: UserPlace, change: RightsChange): Promise<boolean> {
  const { sharePersonal = null, deniedResources = null, isDisabled = null } = change
  const changed = await session.query(sql`
    UPDATE users SET share_personal = coalesce(${sharePersonal}::boolean, share_personal),
      denied_resources = coalesce(${deniedResources}::text[], denied_resources),
      disabled_at = CASE ${isDisabled}::boolean
        WHEN true THEN coalesce(disabled_at, now()) WHEN false THEN NULL ELSE disabled_at END
    WHERE tenant_id = ${place.tenantId}::uuid AND id = ${place.id}::uuid AND deleted_at IS NULL RETURNING id`)
  return changed.length > 0
}

/**
 * At once: nobody finds the user any more, all its grants are revoked, its tokens are withdrawn, and the peers it owned are gone with
 * their keys. Answers those peers; undefined: this tenant has no such user.
 */
export function deleteUser(
  database: Database,
  { tenantId, id }: UserPlace,
): Promise<{ readonly peers: readonly string[] } | undefined> {
  return database.transaction(async (session) => {
    const deleted = await session.query(sql`
      UPDATE users SET deleted_at = now()
      WHERE tenant_id = ${tenantId}::uuid AND id = ${id}::uuid AND deleted_at IS NULL RETURNING id`)
    if (deleted.length === 0) return undo(undefined)
    const grantIds = await lockLiveGrants(session, { tenantId, subjectUserId: id })
    await revokeLocked(session, { tenantId, grantIds, reason: 'subject_deleted' })
    await session.query(sql`
      UPDATE user_tokens SET withdrawn_at = coalesce(withdrawn_at, now())
      WHERE tenant_id = ${tenantId}::uuid AND user_id = ${id}::uuid`)
    const peers = await session.query<{ id: string }>(sql`
      DELETE FROM federation_peers WHERE tenant_id = ${tenantId}::uuid AND owner_user_id = ${id}::uuid RETURNING id`)
    return { peers: peers.map((peer) => peer.id) }
  })
}
