import { setTimeout as sleep } from 'node:timers/promises'
import { guard } from '../../shared/guard.ts'
import { one, type Session } from './database.ts'
import { MigrationMismatch, migrationsOf, missingOf } from './migrate.ts'
import { sql } from './statement.ts'
import { StoreUnavailable, stateOf } from './unavailable.ts'

/** What a start finds of its database. */
export interface FoundStore {
  /** Names thing, place and way out; undefined: it can be used. */
  readonly mistake: string | undefined
}

export const startStore = guard<FoundStore>('start.store', ['store_unusable'], ({ mistake }) =>
  mistake === undefined ? undefined : { reason: 'store_unusable', status: null },
)

export const OLDEST_VERSION = 150_000
const WITHIN_MS = 30_000
const AGAIN_MS = 250

/** Looks at a database as the sessions of the gateway see it: it is waited for, and for nothing else. */
export async function findStore(
  database: Session & { readonly place: string },
  { withinMs = WITHIN_MS, pause = sleep as (ms: number) => Promise<unknown> } = {},
): Promise<FoundStore> {
  const end = performance.now() + withinMs
  for (;;) {
    try {
      return { mistake: await mistakeOf(database) }
    } catch (failure) {
      if (failure instanceof MigrationMismatch) return { mistake: failure.message }
      // Without its migrations there is not even the role that sessions begin as.
      if (stateOf(failure) !== undefined) return { mistake: refusedBy(database.place, failure as Error) }
      if (!(failure instanceof StoreUnavailable)) throw failure
      if (performance.now() >= end) return { mistake: `${failure.message}, and has not for ${withinMs / 1000} s` }
      await pause(AGAIN_MS)
    }
  }
}

function refusedBy(place: string, { message }: Error): string {
  return `the database ${place} cannot be looked at (${message}); run gateway migrate, and let the login be a member of gateway_app`
}

async function mistakeOf(database: Parameters<typeof findStore>[0]): Promise<string | undefined> {
  const { place } = database
  const server = await one<{ version: number; name: string }>(
    database,
    sql`SELECT current_setting('server_version_num')::int AS version, current_setting('server_version') AS name`,
  )
  if (server!.version < OLDEST_VERSION) {
    return `the database ${place} is PostgreSQL ${server!.name}; name one of version 15 or newer`
  }
  const missing = missingOf(await migrationsOf(database), undefined, place)
  if (missing.length > 0) {
    return `the database ${place} lacks ${missing.map(({ name }) => name).join(', ')}; run gateway migrate`
  }
  const found = await one<{ role: string; may: string[] }>(database, mayChange)
  if (found!.may.length > 0) {
    return `role ${found!.role} of the database ${place} may change the audit log (${found!.may.join(', ')}); let it be gateway_app, and own nothing`
  }
  return undefined
}

/** What this role could do to rows of the audit that are there: by a right, as an owner, or because nothing stops it. */
export const mayChange = sql`
  SELECT current_user AS role, coalesce(array_agg(what ORDER BY what), '{}') AS may FROM (
    SELECT right_name || ' ' || c.relname AS what
      FROM pg_class c, unnest(ARRAY['UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER']) right_name
      WHERE c.oid = ANY(ARRAY['federation_audit_log', 'federation_audit_archive']::regclass[])
        AND has_table_privilege(c.oid, right_name)
    UNION ALL
    SELECT 'no trigger on ' || c.relname
      FROM pg_class c
      WHERE c.oid = ANY(ARRAY['federation_audit_log', 'federation_audit_archive']::regclass[]) AND NOT EXISTS (
        SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgname = 'federation_audit_is_append_only'
          AND t.tgenabled IN ('O', 'A'))
  ) found`
