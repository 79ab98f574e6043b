import type { Database, Session } from '../database.ts'
import { sql } from '../statement.ts'

const AT_ONCE = 1_000

/** One number for every gateway of a database: whoever holds it archives. */
const LOCK = 4_118_522_371

/**
 * Moves rows older than `before` into the archive, as `gateway_archiver`, a thousand in one transaction each: whoever is killed has moved
 * a thousand or none, and whoever comes next goes on. Answers how many; undefined: somebody else is at it.
 */
export async function archiveAudit(
  database: Database,
  before: Date,
  onBatch: (moved: number) => void = () => {},
): Promise<number | undefined> {
  let moved = 0
  for (;;) {
    const batch = await moveSome(database, before)
    if (batch === undefined) return moved === 0 ? undefined : moved
    moved += batch
    if (batch > 0) onBatch(moved)
    if (batch < AT_ONCE) return moved
  }
}

/** How many there are to be moved. */
export async function countOld(session: Session, before: Date): Promise<number> {
  const [old] = await session.query<{ rows: number }>(
    sql`SELECT count(*) AS rows FROM federation_audit_log WHERE at < ${before}::timestamptz`,
  )
  return old!.rows
}

function moveSome(database: Database, before: Date): Promise<number | undefined> {
  return database.transaction(async (session) => {
    const [lock] = await session.query<{ held: boolean }>(
      sql`SELECT pg_try_advisory_xact_lock(${LOCK}::bigint) AS held`,
    )
    if (lock?.held !== true) return undefined
    const [moved] = await session.query<{ rows: number }>(sql`
      WITH old AS (
        DELETE FROM federation_audit_log WHERE id IN (
          SELECT id FROM federation_audit_log WHERE at < ${before}::timestamptz ORDER BY at LIMIT ${AT_ONCE}::int)
        RETURNING *
      ), kept AS (
        INSERT INTO federation_audit_archive SELECT * FROM old RETURNING id
      )
      SELECT count(*) AS rows FROM kept`)
    return moved!.rows
  })
}
