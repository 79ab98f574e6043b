import { createHash } from 'node:crypto'
import { type Database, one, type Session } from './database.ts'
import { MIGRATIONS, type Migration } from './migrations/index.ts'
import { sql } from './statement.ts'

/** A database whose migrations are not a beginning of ours. Nothing was done to it. */
export class MigrationMismatch extends Error {
  readonly code: 'migration_unknown' | 'migration_changed'

  constructor(code: MigrationMismatch['code'], name: string, place: string) {
    super(`migration ${name} of the database ${place} ${WHY[code]}`)
    this.name = 'MigrationMismatch'
    this.code = code
  }
}

const WHY: Readonly<Record<MigrationMismatch['code'], string>> = {
  migration_unknown: 'is not known here; start the version of the gateway that made it, or a newer one',
  migration_changed: 'was another one when it was done; start the version that has it, or restore a copy',
}

/** Any number, the same for every gateway: whoever holds it migrates. */
const LOCK = 4_118_522_370

/** Does what is missing, one transaction each, while everybody else waits. Answers the names of what it did. */
export async function migrate(database: Database, migrations: readonly Migration[] = MIGRATIONS): Promise<string[]> {
  const done: string[] = []
  await database.transaction(async (session) => {
    await lock(session)
    await session.query(sql`
      CREATE TABLE IF NOT EXISTS migrations (
        name text PRIMARY KEY, checksum text NOT NULL, done_at timestamptz NOT NULL DEFAULT now())`)
  })
  for (const migration of migrations) {
    await database.transaction(async (session) => {
      await lock(session)
      // Read each time: between two of ours somebody else may have migrated.
      const missing = missingOf(await migrationsOf(session), migrations, database.place)
      if (!missing.includes(migration)) return
      await session.query({ text: migration.sql, values: [] })
      const checksum = checksumOf(migration)
      await session.query(sql`INSERT INTO migrations (name, checksum) VALUES (${migration.name}, ${checksum})`)
      done.push(migration.name)
    })
  }
  await database.transaction(async (session) => {
    await lock(session)
    await session.query(sql`GRANT SELECT ON migrations TO gateway_app`)
  })
  return done
}

interface Done {
  readonly name: string
  readonly checksum: string
}

/** Those that were done; undefined: not even the table of them is there. */
export async function migrationsOf(session: Session): Promise<readonly Done[] | undefined> {
  const found = await one<{ there: boolean }>(session, sql`SELECT to_regclass('migrations') IS NOT NULL AS there`)
  if (found?.there !== true) return undefined
  return session.query<Done>(sql`SELECT name, checksum FROM migrations ORDER BY name`)
}

/** Those that are still to be done. @throws MigrationMismatch */
export function missingOf(
  done: readonly Done[] = [],
  migrations: readonly Migration[] = MIGRATIONS,
  place = '',
): readonly Migration[] {
  const checksums = new Map(migrations.map((migration) => [migration.name, checksumOf(migration)]))
  for (const { name, checksum } of done) {
    const ours = checksums.get(name)
    if (ours === undefined) throw new MigrationMismatch('migration_unknown', name, place)
    if (ours !== checksum) throw new MigrationMismatch('migration_changed', name, place)
  }
  return migrations.filter(({ name }) => !done.some((one) => one.name === name))
}

function checksumOf({ sql: text }: Migration): string {
  return createHash('sha256').update(text).digest('hex')
}

async function lock(session: Session): Promise<void> {
  await session.query(sql`SELECT pg_advisory_xact_lock(${LOCK}::bigint)`)
}
