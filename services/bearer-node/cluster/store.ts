import { createHash } from 'node:crypto'
import { join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { commit, openDatabase, writeProbe } from '../../shared/sqlite.ts'
import type { LeaseRecord } from '../guards/lease.ts'
import { type Head, isNewer, type RunRecord, type RunState } from './run-record.ts'

/** What is known of each run without reading it. */
export interface RunHead extends Head {
  readonly settled: boolean
  readonly state: RunState
  readonly key: string
  readonly endedAt: number | undefined
}

export type AttemptState = 'running' | 'succeeded' | 'failed' | 'lost'

/** A stage that this node was given to run, once. */
export interface Attempt {
  readonly run: string
  readonly stage: string
  readonly attempt: number
  readonly state: AttemptState
  readonly output?: unknown
  readonly reason?: string
}

export interface IdempotencyEntry {
  readonly key: string
  readonly digest: string
  readonly run: string
  /** Ms since 1970. */
  readonly at: number
}

/** For so long a key stands for its request. */
export const KEY_KEPT_MS = 24 * 3_600_000

/**
 * What a node must not forget: one SQLite file. What a call wrote is on the disk when it returns; a write that cannot be throws
 * `StorageUnavailable`.
 */
export interface Store {
  lease(): LeaseRecord | undefined
  putLease(record: LeaseRecord): void
  heads(): ReadonlyMap<string, RunHead>
  run(id: string): RunRecord | undefined
  /** Newest first. `before`: the id of one that is not among them, nor any newer one. */
  runsBefore(before: string | undefined, limit: number): RunRecord[]
  /**
   * All or none. A record that is no newer than what is there is left out. Of two runs with one key, that of the lower epoch goes: it is on
   * no majority, or else the other would not have been made.
   */
  putRuns(records: readonly RunRecord[]): void
  dropRuns(ids: readonly string[]): void
  byKey(key: string): IdempotencyEntry | undefined
  forgetKeys(before: number): void
  attempt(run: string, stage: string, attempt: number): Attempt | undefined
  putAttempt(attempt: Attempt): void
  /** Forgets those of runs that are not here any more. */
  forgetAttempts(): void
  /** Two stores with equal heads have equal ones. */
  digest(): string
  isWritable(): boolean
  close(): void
}

const STATEMENTS = [
  'CREATE TABLE voter (one INTEGER PRIMARY KEY CHECK (one = 1), epoch INTEGER NOT NULL, holder TEXT NOT NULL, lease_ms INTEGER NOT NULL, released INTEGER NOT NULL) STRICT',
  'CREATE TABLE runs (id TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT, WITHOUT ROWID',
  'CREATE TABLE attempts (run TEXT NOT NULL, stage TEXT NOT NULL, attempt INTEGER NOT NULL, state TEXT NOT NULL, output TEXT, reason TEXT, PRIMARY KEY (run, stage, attempt)) STRICT, WITHOUT ROWID',
  'CREATE TABLE idempotency (key TEXT PRIMARY KEY, digest TEXT NOT NULL, run TEXT NOT NULL, at INTEGER NOT NULL) STRICT, WITHOUT ROWID',
]

/** @param folder 0700. Another process on it is a `StartFailure`. */
export function openStore(folder: string): Store {
  const database = openDatabase(join(folder, 'state.db'), { version: 1, statements: STATEMENTS })
  // Held until the process ends, however it ends: a second one on this folder would vote a second time.
  database.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN IMMEDIATE; COMMIT')
  return new SqliteStore(database)
}

class SqliteStore implements Store {
  readonly #database: DatabaseSync
  readonly #heads = new Map<string, RunHead>()
  readonly #statements: Statements
  readonly isWritable: () => boolean
  #digest = 0n

  constructor(database: DatabaseSync) {
    this.#database = database
    this.#statements = statementsOf(database)
    this.isWritable = writeProbe(database)
    for (const { record } of database.prepare('SELECT record FROM runs').all()) this.#know(parsed(record))
    commit(database, () => this.#statements.lose.run())
  }

  lease(): LeaseRecord | undefined {
    const row = this.#statements.lease.get()
    if (row === undefined) return undefined
    const { epoch, holder, lease_ms, released } = row
    return { epoch: Number(epoch), holder: String(holder), leaseMs: Number(lease_ms), released: released === 1 }
  }

  putLease({ epoch, holder, leaseMs, released }: LeaseRecord): void {
    commit(this.#database, () => this.#statements.putLease.run(epoch, holder, leaseMs, released ? 1 : 0))
  }

  heads(): ReadonlyMap<string, RunHead> {
    return this.#heads
  }

  run(id: string): RunRecord | undefined {
    const row = this.#statements.run.get(id)
    return row && parsed(row.record)
  }

  runsBefore(before: string | undefined, limit: number): RunRecord[] {
    // Behind every id, in any order of them.
    return this.#statements.before.all(before ?? '~', limit).map(({ record }) => parsed(record))
  }

  putRuns(records: readonly RunRecord[]): void {
    const newer = records.filter((record) => isNewer(record, this.#heads.get(record.id)))
    if (newer.length === 0) return
    const before = new Map(this.#heads)
    try {
      commit(this.#database, () => {
        for (const record of newer) this.#put(record)
      })
    } catch (failure) {
      this.#restore(before)
      throw failure
    }
  }

  #put(record: RunRecord): void {
    const { id, key, digest, createdAt } = record
    const other = this.byKey(key)
    const isRival = other !== undefined && other.run !== id && Math.abs(other.at - createdAt) < KEY_KEPT_MS
    if (isRival) {
      const rival = this.#heads.get(other.run)
      const isLost = rival !== undefined && rival.epoch >= record.epoch
      this.#drop(isLost ? id : other.run)
      if (isLost) return
    }
    this.#statements.putRun.run(id, JSON.stringify(record))
    if (other === undefined || isRival || other.at <= createdAt) {
      this.#statements.putKey.run(key, digest, id, Math.round(createdAt))
    }
    this.#know(record)
  }

  dropRuns(ids: readonly string[]): void {
    if (ids.length === 0) return
    commit(this.#database, () => {
      for (const id of ids) this.#statements.dropRun.run(id)
    })
    for (const id of ids) this.#forget(id)
  }

  byKey(key: string): IdempotencyEntry | undefined {
    const row = this.#statements.byKey.get(key)
    return row && { key, digest: String(row.digest), run: String(row.run), at: Number(row.at) }
  }

  forgetKeys(before: number): void {
    commit(this.#database, () => this.#statements.forgetKeys.run(before))
  }

  attempt(run: string, stage: string, attempt: number): Attempt | undefined {
    const row = this.#statements.attempt.get(run, stage, attempt)
    if (row === undefined) return undefined
    return {
      ...{ run, stage, attempt, state: String(row.state) as AttemptState },
      ...(row.output !== null && { output: JSON.parse(String(row.output)) as unknown }),
      ...(row.reason !== null && { reason: String(row.reason) }),
    }
  }

  putAttempt({ run, stage, attempt, state, output, reason }: Attempt): void {
    const text = output === undefined ? null : JSON.stringify(output)
    commit(this.#database, () => this.#statements.putAttempt.run(run, stage, attempt, state, text, reason ?? null))
  }

  forgetAttempts(): void {
    commit(this.#database, () => this.#statements.forgetAttempts.run())
  }

  digest(): string {
    return this.#digest.toString(16).padStart(16, '0')
  }

  close(): void {
    this.#database.close()
  }

  #drop(id: string): void {
    this.#statements.dropRun.run(id)
    this.#forget(id)
  }

  #know(record: RunRecord): void {
    this.#forget(record.id)
    const { id, epoch, version, settled, state, key, endedAt } = record
    const head: RunHead = { id, epoch, version, settled, state, key, endedAt }
    this.#heads.set(id, head)
    this.#digest ^= hashOf(head)
  }

  #forget(id: string): void {
    const head = this.#heads.get(id)
    if (head === undefined) return
    this.#heads.delete(id)
    this.#digest ^= hashOf(head)
  }

  #restore(before: ReadonlyMap<string, RunHead>): void {
    this.#heads.clear()
    this.#digest = 0n
    for (const [id, head] of before) {
      this.#heads.set(id, head)
      this.#digest ^= hashOf(head)
    }
  }
}

type Statements = ReturnType<typeof statementsOf>

function statementsOf(database: DatabaseSync) {
  return {
    lease: database.prepare('SELECT epoch, holder, lease_ms, released FROM voter'),
    putLease: database.prepare(
      'INSERT OR REPLACE INTO voter (one, epoch, holder, lease_ms, released) VALUES (1, ?, ?, ?, ?)',
    ),
    run: database.prepare('SELECT record FROM runs WHERE id = ?'),
    before: database.prepare('SELECT record FROM runs WHERE id < ? ORDER BY id DESC LIMIT ?'),
    putRun: database.prepare('INSERT OR REPLACE INTO runs (id, record) VALUES (?, ?)'),
    dropRun: database.prepare('DELETE FROM runs WHERE id = ?'),
    byKey: database.prepare('SELECT digest, run, at FROM idempotency WHERE key = ?'),
    putKey: database.prepare('INSERT OR REPLACE INTO idempotency (key, digest, run, at) VALUES (?, ?, ?, ?)'),
    forgetKeys: database.prepare('DELETE FROM idempotency WHERE at < ?'),
    attempt: database.prepare('SELECT state, output, reason FROM attempts WHERE run = ? AND stage = ? AND attempt = ?'),
    putAttempt: database.prepare(
      'INSERT OR REPLACE INTO attempts (run, stage, attempt, state, output, reason) VALUES (?, ?, ?, ?, ?, ?)',
    ),
    // Whoever ran them is no more.
    lose: database.prepare("UPDATE attempts SET state = 'lost', reason = 'node_restarted' WHERE state = 'running'"),
    forgetAttempts: database.prepare(
      "DELETE FROM attempts WHERE state <> 'running' AND run NOT IN (SELECT id FROM runs)",
    ),
  }
}

function parsed(record: unknown): RunRecord {
  return JSON.parse(String(record)) as RunRecord
}

function hashOf({ id, epoch, version }: Head): bigint {
  return createHash('sha256').update(`${id} ${epoch} ${version}`).digest().readBigUInt64BE()
}
