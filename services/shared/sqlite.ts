import { chmodSync, closeSync, fdatasync, mkdirSync, openSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { promisify } from 'node:util'
import { StartFailure } from './start-failure.ts'
import { syncFolder } from './sync-folder.ts'

/** What a service keeps on disk: the statements that make it, and their version. */
export interface DatabaseSchema {
  readonly version: number
  /** `CREATE TABLE` and `CREATE INDEX` statements. The table `meta(key, value)` is made besides. */
  readonly statements: readonly string[]
  /** Statements that make the next version of one, by the version that they start from. */
  readonly upgrades?: Readonly<Record<number, readonly string[]>>
  /**
   * What was committed outlives the process and need not outlive the machine, whose disk no commit waits for: only where nothing that was
   * promised rests on it, or where that waits for `onDisk`. Default: it outlives both.
   */
  readonly outlives?: 'the process'
}

/** A write did not reach the disk: read-only, full, or held by another process. Callers answer 503. */
export class StorageUnavailable extends Error {
  constructor(cause: unknown) {
    super('the storage takes no writes', { cause })
    this.name = 'StorageUnavailable'
  }
}

const BRIEF_LOG_PAGES = 4_000

const META = 'CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID'

/**
 * Opens a database file (0600, in a folder of 0700), makes its tables when it is new, and checks them when it is not; those of an older
 * version are brought up to date, where the schema says how.
 * A commit that returned is on disk (WAL, `synchronous=FULL`), unless the schema says that it need not be.
 *
 * @throws StartFailure (`config_invalid`) for a folder that others can enter, a file that is no database, a newer schema, or
 * tables that are not those of this schema.
 */
export function openDatabase(path: string, schema: DatabaseSchema): DatabaseSync {
  if (path === '' || path.startsWith(':') || path.startsWith('file:')) {
    throw new StartFailure('config_invalid', `storage ${path} would not be kept; name a file on disk`)
  }
  prepareFile(path)
  try {
    const database = new DatabaseSync(path, { enableForeignKeyConstraints: true, timeout: 250 })
    const isBrief = schema.outlives === 'the process'
    const synchronous = isBrief ? 'NORMAL' : 'FULL'
    database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = ${synchronous}; PRAGMA trusted_schema = OFF`)
    // With these the disk is waited for by checkpoints alone: so they come seldom.
    if (isBrief) database.exec(`PRAGMA wal_autocheckpoint = ${BRIEF_LOG_PAGES}`)
    // What is deleted here may be a private key or a token: its bytes go with it.
    database.exec('PRAGMA secure_delete = ON')
    if (tablesOf(database).length === 0) create(database, schema)
    else upgrade(database, schema)
    check(database, schema, path)
    return database
  } catch (cause) {
    if (cause instanceof StartFailure) throw cause
    throw new StartFailure(
      'config_invalid',
      `storage ${path} cannot be used (${(cause as Error).message}); restore it from a backup or name another file`,
      { cause },
    )
  }
}

/** Runs `work` in one transaction that is on disk when this returns. Throws `StorageUnavailable` when it cannot be. */
export function commit<Result>(database: DatabaseSync, work: () => Result): Result {
  onStorage(() => database.exec('BEGIN IMMEDIATE'))
  try {
    const result = work()
    onStorage(() => database.exec('COMMIT'))
    return result
  } catch (failure) {
    if (database.isTransaction) database.exec('ROLLBACK')
    throw isStorageFailure(failure) ? new StorageUnavailable(failure) : failure
  }
}

/** A good answer is kept for so long: each one is a write that waits for the disk. */
const PROBE_KEPT_MS = 1_000

/** Answers whether the storage takes writes, by one that changes something: a transaction without a change writes nothing. */
export function writeProbe(database: DatabaseSync): () => boolean {
  const probe = database.prepare(
    "INSERT INTO meta (key, value) VALUES ('probed_at', ?1) ON CONFLICT (key) DO UPDATE SET value = ?1",
  )
  let goodAt = Number.NEGATIVE_INFINITY
  return () => {
    if (performance.now() - goodAt < PROBE_KEPT_MS) return true
    try {
      commit(database, () => probe.run(String(Date.now())))
    } catch (failure) {
      if (failure instanceof StorageUnavailable) return false
      throw failure
    }
    goodAt = performance.now()
    return true
  }
}

/**
 * Empties the write-ahead log, which holds pages as they were before. To be called when something secret was overwritten; it does
 * what other connections let it do, and the log is emptied at the latest when the last of them closes.
 */
export function forgetOverwritten(database: DatabaseSync): void {
  try {
    database.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  } catch {
    // What was committed stays so: the next checkpoint takes the log's place.
  }
}

/** What was committed to a database, on its way to the disk. */
export interface CommitLog {
  /** Resolves when all that was committed before this call is on the disk. Rejects with `StorageUnavailable`. */
  onDisk(): Promise<void>
  close(): void
}

const syncData = promisify(fdatasync)

/**
 * For a database whose commits outlive the process alone: brings them to the disk as SQLite would with each commit, by a sync of the log that
 * they were written to, but has the event loop go on meanwhile. To be closed before the database.
 */
export function commitLog(database: DatabaseSync, path: string): CommitLog {
  let log: number | undefined
  // The system tells once that it could not write, and of nothing when it is asked again.
  let isDoubtful = false
  return {
    async onDisk() {
      try {
        if (isDoubtful) throw new Error('an earlier sync of the log failed')
        // It is there once something was committed, and stays the same file until the last connection closes.
        log ??= openedFor(path)
        await syncData(log)
      } catch (failure) {
        // What the system could not write of it once, it may not try to write again: so it goes where a checkpoint puts it.
        isDoubtful = true
        onStorage(() => checkpoint(database, failure))
        isDoubtful = false
      }
    },
    close() {
      if (log !== undefined) closeSync(log)
      log = undefined
    },
  }
}

/** A new file is on the disk once its folder is. */
function openedFor(path: string): number {
  syncFolder(dirname(path))
  return openSync(`${path}-wal`, 'r')
}

function checkpoint(database: DatabaseSync, because: unknown): void {
  const row = database.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get()
  if (row?.busy !== 0) throw because
}

function onStorage(work: () => void): void {
  try {
    work()
  } catch (cause) {
    throw new StorageUnavailable(cause)
  }
}

/** SQLITE_BUSY, LOCKED, READONLY, IOERR, FULL and CANTOPEN; a broken constraint is a mistake of the program instead. */
const STORAGE_CODES = new Set([5, 6, 8, 10, 13, 14])

function isStorageFailure(failure: unknown): boolean {
  const code = (failure as { errcode?: unknown }).errcode
  return typeof code === 'number' && STORAGE_CODES.has(code & 0xff)
}

function prepareFile(path: string): void {
  const folder = dirname(path)
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    if ((statSync(folder).mode & 0o077) !== 0) {
      throw new StartFailure('config_invalid', `storage folder ${folder} is open to others; chmod it to 0700`)
    }
    // SQLite gives its side files the mode of this one.
    closeSync(openSync(path, 'a', 0o600))
    chmodSync(path, 0o600)
  } catch (cause) {
    if (cause instanceof StartFailure) throw cause
    throw new StartFailure(
      'config_invalid',
      `storage ${path} cannot be opened (${(cause as NodeJS.ErrnoException).code}); name a file in a writable folder`,
      { cause },
    )
  }
}

function create(database: DatabaseSync, schema: DatabaseSchema): void {
  commit(database, () => {
    for (const statement of [META, ...schema.statements]) database.exec(statement)
    database.prepare('INSERT INTO meta (key, value) VALUES (?, ?)').run('schema_version', String(schema.version))
  })
}

/** Step by step, and each of them all or nothing. */
function upgrade(database: DatabaseSync, schema: DatabaseSchema): void {
  const version = Number(versionOf(database))
  const statements = schema.upgrades?.[version]
  if (statements === undefined) return
  commit(database, () => {
    for (const statement of statements) database.exec(statement)
    database.prepare("UPDATE meta SET value = ? WHERE key = 'schema_version'").run(String(version + 1))
  })
  upgrade(database, schema)
}

function check(database: DatabaseSync, schema: DatabaseSchema, path: string): void {
  const found = tablesOf(database)
  const version = versionOf(database)
  if (Number(version) > schema.version) {
    throw new StartFailure(
      'config_invalid',
      `storage ${path} has schema ${version}, this program knows ${schema.version}; start the newer program`,
    )
  }
  const model = new DatabaseSync(':memory:')
  for (const statement of [META, ...schema.statements]) model.exec(statement)
  const expected = JSON.stringify(tablesOf(model))
  model.close()
  if (version !== String(schema.version) || JSON.stringify(found) !== expected) {
    throw new StartFailure(
      'config_invalid',
      `storage ${path} does not hold the tables of schema ${schema.version}; restore it from a backup or name another file`,
    )
  }
}

function versionOf(database: DatabaseSync): string | undefined {
  if (!tablesOf(database).some(({ name }) => name === 'meta')) return undefined
  const row = database.prepare("SELECT value FROM meta WHERE key = 'schema_version'").get()
  return row === undefined ? undefined : String(row.value)
}

function tablesOf(database: DatabaseSync): { name: string; sql: string }[] {
  return database
    .prepare("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY name")
    .all()
    .map((row) => ({ name: String(row.name), sql: String(row.sql) }))
}
