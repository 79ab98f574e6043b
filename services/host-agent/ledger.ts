import { commit, openDatabase, writeProbe } from '../shared/sqlite.ts'

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
   * Applies commands and records their ids, in one transaction that is on disk when this returns. Answers of each whether it was new.
   * Throws `StorageUnavailable`: then none was applied.
   */
  apply(commands: readonly Numbered[], now: number): boolean[]
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

export function openLedger(path: string): Ledger {
  const database = openDatabase(path, {
    version: 1,
    statements: [
      'CREATE TABLE applied (id TEXT PRIMARY KEY, seq INTEGER NOT NULL, applied_at INTEGER NOT NULL) STRICT, WITHOUT ROWID',
      'CREATE INDEX applied_by_age ON applied (applied_at)',
      // What commands did here: how often each verb was applied, and the arguments that it had last.
      'CREATE TABLE effects (verb TEXT PRIMARY KEY, times INTEGER NOT NULL, args TEXT NOT NULL, seq INTEGER NOT NULL) STRICT, WITHOUT ROWID',
    ],
  })
  const record = database.prepare('INSERT OR IGNORE INTO applied (id, seq, applied_at) VALUES (?, ?, ?)')
  const effect = database.prepare(
    'INSERT INTO effects (verb, times, args, seq) VALUES (?1, 1, ?2, ?3) ON CONFLICT (verb) DO UPDATE SET times = times + 1, args = ?2, seq = ?3',
  )
  const last = database.prepare('SELECT max(seq) AS seq FROM effects')
  const times = database.prepare('SELECT verb, times FROM effects ORDER BY verb')
  const purge = database.prepare('DELETE FROM applied WHERE applied_at < ?')
  const lastSeq = (): number => Number(last.get()?.seq ?? 0)
  return {
    apply: (commands, now) =>
      commit(database, () =>
        commands.map(({ command: { id, verb, args }, seq }) => {
          if (record.run(id, seq, now).changes === 0) return false
          effect.run(verb, JSON.stringify(args), seq)
          return true
        }),
      ),
    lastSeq,
    summary() {
      const verbs = Object.fromEntries(times.all().map((row) => [String(row.verb), Number(row.times)]))
      const applied = Object.values(verbs).reduce((sum, count) => sum + count, 0)
      return { applied, lastSeq: lastSeq(), verbs }
    },
    purge: (before) => commit(database, () => void purge.run(before)),
    isWritable: writeProbe(database),
    close: () => database.close(),
  }
}
