import { commit, commitLog, openDatabase, writeProbe } from '../shared/sqlite.ts'

/** A command as its message says it. */
export interface Command {
  readonly id: string
  readonly verb: string
  readonly args: Readonly<Record<string, unknown>>
}

export interface Numbered {
  readonly command: Command
  /** Of its message in the stream. */
  readonly seq: number
}

/** What was applied on this host: each id once, whatever comes twice. */
export interface Ledger {
  /**
   * Applies commands and records their ids, in one transaction, which outlives the process when this returns. Answers of each whether it was
   * new. Throws `StorageUnavailable`: then none was applied.
   */
  apply(commands: readonly Numbered[], now: number): boolean[]
  /** Resolves when all that was applied outlives the machine, too: nobody may be told of it before. Rejects with `StorageUnavailable`. */
  onDisk(): Promise<void>
  /** Puts some of the recent ones to where many are found quickly. To be called now and then; whether an id is known does not depend on it. */
  settle(): void
  /** The newest message of the stream that was applied here; 0 where there is none. */
  lastSeq(): number
  summary(): Summary
  /** Forgets ids that were recorded before this time, in ms since 1970. */
  purge(before: number): void
  isWritable(): boolean
  close(): void
}

export interface Summary {
  readonly applied: number
  readonly lastSeq: number
  readonly verbs: Readonly<Record<string, number>>
}

/** At once, so that nobody waits for long; of very many a part, so that they do not grow beyond all bounds. */
const SETTLED_AT_ONCE = 1_024
const SETTLED_PART = 16

// In the order in which they came: of many at once, each of the table `applied` lies on a page of its own, and whole pages are written.
const RECENT =
  'CREATE TABLE recent (number INTEGER PRIMARY KEY, id TEXT NOT NULL, seq INTEGER NOT NULL, applied_at INTEGER NOT NULL) STRICT'

export function openLedger(path: string): Ledger {
  const database = openDatabase(path, {
    version: 2,
    // Waiting for the disk is for `onDisk`, so that the next commands are read meanwhile.
    outlives: 'the process',
    statements: [
      'CREATE TABLE applied (id TEXT PRIMARY KEY, seq INTEGER NOT NULL, applied_at INTEGER NOT NULL) STRICT, WITHOUT ROWID',
      RECENT,
      'CREATE INDEX applied_by_age ON applied (applied_at)',
      // What commands did here: how often each verb was applied, and the arguments that it had last.
      'CREATE TABLE effects (verb TEXT PRIMARY KEY, times INTEGER NOT NULL, args TEXT NOT NULL, seq INTEGER NOT NULL) STRICT, WITHOUT ROWID',
    ],
    upgrades: { 1: [RECENT] },
  })
  const log = commitLog(database, path)
  const append = database.prepare('INSERT INTO recent (id, seq, applied_at) VALUES (?, ?, ?)')
  const known = database.prepare('SELECT 1 FROM applied WHERE id = ?')
  const oldest = database.prepare('SELECT number, id, seq, applied_at FROM recent ORDER BY number LIMIT ?')
  const record = database.prepare('INSERT INTO applied (id, seq, applied_at) VALUES (?, ?, ?)')
  const settled = database.prepare('DELETE FROM recent WHERE number <= ?')
  const effect = database.prepare(
    'INSERT INTO effects (verb, times, args, seq) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (verb) DO UPDATE SET times = times + ?2, args = ?3, seq = ?4',
  )
  const last = database.prepare('SELECT max(seq) AS seq FROM effects')
  const times = database.prepare('SELECT verb, times FROM effects ORDER BY verb')
  const purge = database.prepare('DELETE FROM applied WHERE applied_at < ?')
  const lastSeq = (): number => Number(last.get()?.seq ?? 0)
  const recent = new Set(
    database
      .prepare('SELECT id FROM recent')
      .all()
      .map(({ id }) => String(id)),
  )
  return {
    apply(commands, now) {
      const added = new Set<string>()
      const isNew = commit(database, () => {
        const isNew = commands.map(({ command: { id }, seq }) => {
          if (recent.has(id) || added.has(id) || known.get(id) !== undefined) return false
          append.run(id, seq, now)
          added.add(id)
          return true
        })
        for (const [verb, { times, last }] of effectsOf(commands.filter((_, at) => isNew[at]))) {
          effect.run(verb, times, JSON.stringify(last.command.args), last.seq)
        }
        return isNew
      })
      for (const id of added) recent.add(id)
      return isNew
    },
    onDisk: log.onDisk,
    settle() {
      if (recent.size === 0) return
      const rows = oldest.all(Math.max(SETTLED_AT_ONCE, Math.ceil(recent.size / SETTLED_PART)))
      commit(database, () => {
        // Neighbours share a page.
        const inOrder = rows.toSorted((one, other) => (String(one.id) < String(other.id) ? -1 : 1))
        for (const { id, seq, applied_at } of inOrder) record.run(id!, seq!, applied_at!)
        settled.run(rows.at(-1)?.number ?? 0)
      })
      for (const { id } of rows) recent.delete(String(id))
    },
    lastSeq,
    summary() {
      const verbs = Object.fromEntries(times.all().map((row) => [String(row.verb), Number(row.times)]))
      const applied = Object.values(verbs).reduce((sum, count) => sum + count, 0)
      return { applied, lastSeq: lastSeq(), verbs }
    },
    purge: (before) => commit(database, () => void purge.run(before)),
    isWritable: writeProbe(database),
    close() {
      log.close()
      database.close()
    },
  }
}

/** What commands of one transaction do, verb by verb: written once, and not once for each. */
function effectsOf(commands: readonly Numbered[]): Map<string, { times: number; last: Numbered }> {
  const effects = new Map<string, { times: number; last: Numbered }>()
  for (const last of commands) {
    const { verb } = last.command
    effects.set(verb, { times: (effects.get(verb)?.times ?? 0) + 1, last })
  }
  return effects
}
