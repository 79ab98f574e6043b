import { one, type Session } from './database.ts'
import { type Statement, sql } from './statement.ts'

/** Things that administrators name by their ids. */
export type Named = 'tenant' | 'user' | 'team' | 'peer' | 'grant' | 'token' | 'user token'

/** Whose a thing is. For the record only: to the caller, what is of another tenant is not there. */
export type Whose = 'own' | 'absent' | 'other'

const TENANT_OF: Readonly<Record<Named, (id: string) => Statement>> = {
  tenant: (id) => sql`SELECT id AS tenant_id FROM tenants WHERE id = ${id}::uuid`,
  user: (id) => sql`SELECT tenant_id FROM users WHERE id = ${id}::uuid AND deleted_at IS NULL`,
  team: (id) => sql`SELECT tenant_id FROM teams WHERE id = ${id}::uuid`,
  peer: (id) => sql`SELECT tenant_id FROM federation_peers WHERE id = ${id}::uuid`,
  grant: (id) => sql`SELECT tenant_id FROM federation_grants WHERE id = ${id}::uuid`,
  token: (id) => sql`SELECT tenant_id FROM federation_enrollment_tokens WHERE id = ${id}::uuid`,
  'user token': (id) => sql`SELECT tenant_id FROM user_tokens WHERE id = ${id}::uuid`,
}

/** Undefined: there is no such thing, of anybody. */
export async function tenantOf(session: Session, { what, id }: { what: Named; id: string }) {
  return (await one<{ tenant_id: string }>(session, TENANT_OF[what](id)))?.tenant_id
}

export async function whoseIs(
  session: Session,
  { tenantId, what, id }: { tenantId: string; what: Named; id: string },
): Promise<Whose> {
  const found = await tenantOf(session, { what, id })
  if (found === undefined) return 'absent'
  return found === tenantId ? 'own' : 'other'
}
