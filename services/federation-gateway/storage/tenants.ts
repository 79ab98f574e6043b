import { isUuid } from '../ids.ts'
import { one, type Session } from './database.ts'
import { sql } from './statement.ts'

/** By its id or its name: what looks like an id is one. */
export async function findTenant(session: Session, text: string): Promise<string | undefined> {
  const by = isUuid(text)
    ? sql`SELECT id FROM tenants WHERE id = ${text}::uuid`
    : sql`SELECT id FROM tenants WHERE name = ${text}`
  return (await one<{ id: string }>(session, by))?.id
}

/** Undefined where there is none, or more than one. */
export async function onlyTenant(session: Session): Promise<string | undefined> {
  const found = await session.query<{ id: string }>(sql`SELECT id FROM tenants LIMIT 2`)
  return found.length === 1 ? found[0]!.id : undefined
}
