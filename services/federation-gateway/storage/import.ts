import { createHash } from 'node:crypto'
import { type Database, type Session, undo } from './database.ts'
import type { Seed, SeedTenant } from './seed.ts'
import { setSetting, setting } from './settings.ts'
import { type Statement, sql } from './statement.ts'

export interface ImportProgress {
  readonly done: number
  readonly total: number
}

const AT_ONCE = 500

/**
 * Brings in what a seed holds, as the owner of the database. Each portion is stored together with how far it came, so one that was killed
 * goes on from there, and a seed that came in whole is not brought in again: since then somebody may have left a team, or was disabled.
 */
export async function importSeed(
  database: Database,
  seed: Seed,
  onProgress: (progress: ImportProgress) => void = () => {},
): Promise<{ readonly stored: number }> {
  const key = `import-${createHash('sha256').update(JSON.stringify(seed)).digest('hex')}`
  const portions = seed.tenants.flatMap(portionsOf)
  const total = sizeOf(portions)
  let [done, stored] = [0, 0]
  for (const [at, { size, store }] of portions.entries()) {
    stored += await database.transaction(async (session) => {
      // Of two that bring in the same seed, one waits here for the other's portion, and then skips it.
      await session.query(sql`SELECT pg_advisory_xact_lock(hashtextextended(${key}, 0))`)
      const { portions: before = 0 } = (await setting<{ portions: number }>(session, key)) ?? {}
      if (at < before) return undo(0)
      const inserted = await store(session)
      await setSetting(session, key, { portions: at + 1, of: portions.length })
      return inserted
    })
    done += size
    onProgress({ done, total })
  }
  return { stored }
}

/** Rows that a seed holds. */
export function countOf(seed: Seed): number {
  return sizeOf(seed.tenants.flatMap(portionsOf))
}

function sizeOf(portions: readonly Portion[]): number {
  return portions.reduce((sum, { size }) => sum + size, 0)
}

interface Portion {
  readonly size: number
  readonly store: (session: Session) => Promise<number>
}

/** Those that others point to come first. */
function portionsOf(tenant: SeedTenant): Portion[] {
  const { id, name, users, teams, tasks, notes, memory, credentials } = tenant
  const members = teams.flatMap((team) => team.members.map((member) => ({ ...member, team: team.id })))
  const inPortions = <Row>(rows: readonly Row[], statement: (json: string) => Statement): Portion[] =>
    Array.from({ length: Math.ceil(rows.length / AT_ONCE) }, (_, at) => {
      const some = rows.slice(at * AT_ONCE, (at + 1) * AT_ONCE)
      const store = async (session: Session) => (await session.query(statement(JSON.stringify(some)))).length
      return { size: some.length, store }
    })
  return [
    ...inPortions([{ id, name }], (json) => insertTenant(json)),
    ...inPortions(users, (json) => insertUsers(id, json)),
    ...inPortions(teams, (json) => insertTeams(id, json)),
    ...inPortions(members, (json) => insertMembers(id, json)),
    ...inPortions(tasks, (json) => insertTasks(id, json)),
    ...inPortions(notes, (json) => insertNotes(id, json)),
    ...inPortions(memory, (json) => insertMemory(id, json)),
    ...inPortions(credentials, (json) => insertCredentials(id, json)),
  ]
}

// One statement for a portion. What is there already stays as it is.

const insertTenant = (json: string) => sql`
  INSERT INTO tenants (id, name)
  SELECT r.id, r.name FROM jsonb_to_recordset(${json}::jsonb) AS r(id uuid, name text)
  ON CONFLICT (id) DO NOTHING RETURNING id`

const insertUsers = (tenantId: string, json: string) => sql`
  INSERT INTO users (id, tenant_id, name, display_name, email, share_personal, denied_resources, created_at)
  SELECT r.id, ${tenantId}::uuid, r.name, r."displayName", r.email, r."sharePersonal",
    ARRAY(SELECT jsonb_array_elements_text(r."deniedResources")), coalesce(r."createdAt", now())
  FROM jsonb_to_recordset(${json}::jsonb) AS r(id uuid, name text, "displayName" text, email text,
    "sharePersonal" boolean, "deniedResources" jsonb, "createdAt" timestamptz)
  ON CONFLICT (id) DO NOTHING RETURNING id`

const insertTeams = (tenantId: string, json: string) => sql`
  INSERT INTO teams (id, tenant_id, name, created_at)
  SELECT r.id, ${tenantId}::uuid, r.name, coalesce(r."createdAt", now())
  FROM jsonb_to_recordset(${json}::jsonb) AS r(id uuid, name text, "createdAt" timestamptz)
  ON CONFLICT (id) DO NOTHING RETURNING id`

const insertMembers = (tenantId: string, json: string) => sql`
  INSERT INTO team_members (tenant_id, team_id, user_id, role)
  SELECT ${tenantId}::uuid, r.team, r."user", r.role
  FROM jsonb_to_recordset(${json}::jsonb) AS r(team uuid, "user" uuid, role text)
  ON CONFLICT (team_id, user_id) DO NOTHING RETURNING team_id`

const insertTasks = (tenantId: string, json: string) => sql`
  INSERT INTO tasks (id, tenant_id, owner_id, team_id, title, body, status, created_at, updated_at)
  SELECT r.id, ${tenantId}::uuid, r.owner, r.team, r.title, r.body, r.status, coalesce(r."createdAt", now()),
    coalesce(r."updatedAt", r."createdAt", now())
  FROM jsonb_to_recordset(${json}::jsonb) AS r(id uuid, owner uuid, team uuid, title text, body text, status text,
    "createdAt" timestamptz, "updatedAt" timestamptz)
  ON CONFLICT (id) DO NOTHING RETURNING id`

const insertNotes = (tenantId: string, json: string) => sql`
  INSERT INTO notes (id, tenant_id, owner_id, team_id, title, body, created_at, updated_at)
  SELECT r.id, ${tenantId}::uuid, r.owner, r.team, r.title, r.body, coalesce(r."createdAt", now()),
    coalesce(r."updatedAt", r."createdAt", now())
  FROM jsonb_to_recordset(${json}::jsonb) AS r(id uuid, owner uuid, team uuid, title text, body text,
    "createdAt" timestamptz, "updatedAt" timestamptz)
  ON CONFLICT (id) DO NOTHING RETURNING id`

const insertMemory = (tenantId: string, json: string) => sql`
  INSERT INTO memory (id, tenant_id, owner_id, text, created_at)
  SELECT r.id, ${tenantId}::uuid, r.owner, r.text, coalesce(r."createdAt", now())
  FROM jsonb_to_recordset(${json}::jsonb) AS r(id uuid, owner uuid, text text, "createdAt" timestamptz)
  ON CONFLICT (id) DO NOTHING RETURNING id`

const insertCredentials = (tenantId: string, json: string) => sql`
  INSERT INTO credentials (id, tenant_id, owner_id, team_id, name, kind, secret, created_at)
  SELECT r.id, ${tenantId}::uuid, r.owner, r.team, r.name, r.kind, r.secret, coalesce(r."createdAt", now())
  FROM jsonb_to_recordset(${json}::jsonb) AS r(id uuid, owner uuid, team uuid, name text, kind text, secret text,
    "createdAt" timestamptz)
  ON CONFLICT (id) DO NOTHING RETURNING id`
