import { hash } from 'node:crypto'
import type { DatabaseSync } from 'node:sqlite'
import { commit, openDatabase, writeProbe } from '../../shared/sqlite.ts'
import type { Command } from '../guards/command.ts'

/** Commands that were taken, before they are published and for days after: an id has one effect, whenever it comes again. */
export interface CommandTable {
  /** Keeps a command that is not known yet. It outlives the process when this resolves. Rejects with `StorageUnavailable`. */
  keep(command: Command, now: number): Promise<KeptCommand>
  /** The broker has it. Nobody waits for this row: what is lost of it in a crash is published again, with the same id. */
  published(id: string, at: Place): void
  /** It was refused, or never sent: the id is as it was before. */
  forget(id: string): Promise<void>
  /** What was kept, and is not known to be published, in the order in which it came: clocks are set back, too. */
  pending(): Command[]
  /** Forgets what was kept before this time, in ms since 1970. */
  purge(before: number): void
  isWritable(): boolean
  close(): void
}

export interface Place {
  readonly stream: string
  readonly seq: number
}

export interface KeptCommand {
  /** Of the command that was kept under this id. */
  readonly digest: string
  readonly isNew: boolean
  /** Where it is, once it was published. */
  readonly place?: Place
}

export function digestOf({ host, verb, args }: Command): string {
  return hash('sha256', JSON.stringify([host, verb, args]), 'hex')
}

// By number: of those that come together, and of what becomes of them, rows lie side by side, and of their ids alone they do not.
const STATEMENTS = [
  "CREATE TABLE commands (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, digest TEXT NOT NULL, state TEXT NOT NULL CHECK (state IN ('pending', 'published')), body TEXT, stream TEXT, seq INTEGER, created_at INTEGER NOT NULL) STRICT",
  'CREATE INDEX commands_by_age ON commands (created_at)',
]

/** The first version had no numbers. */
const NUMBERED = [
  'ALTER TABLE commands RENAME TO unnumbered',
  'DROP INDEX commands_by_age',
  ...STATEMENTS,
  'INSERT INTO commands (id, digest, state, body, stream, seq, created_at) SELECT id, digest, state, body, stream, seq, created_at FROM unnumbered ORDER BY created_at, id',
  'DROP TABLE unnumbered',
]

export function openCommandTable(path: string): CommandTable {
  const database = openDatabase(path, {
    version: 2,
    // What is answered 202 is at the broker. A machine that loses its last rows loses ids alone, and the hosts know these, too.
    outlives: 'the process',
    statements: STATEMENTS,
    upgrades: { 1: NUMBERED },
  })
  const find = database.prepare('SELECT digest, stream, seq FROM commands WHERE id = ?')
  const insert = database.prepare(
    "INSERT INTO commands (id, digest, state, body, created_at) VALUES (?, ?, 'pending', ?, ?) ON CONFLICT (id) DO NOTHING",
  )
  const publish = database.prepare(
    "UPDATE commands SET state = 'published', body = NULL, stream = ?, seq = ? WHERE id = ? AND state = 'pending'",
  )
  const remove = database.prepare("DELETE FROM commands WHERE id = ? AND state = 'pending'")
  const pending = database.prepare("SELECT body FROM commands WHERE state = 'pending' ORDER BY number")
  const purge = database.prepare('DELETE FROM commands WHERE created_at < ?')
  const together = new GroupCommit(database)

  return {
    keep: (command, now) =>
      together.run(() => {
        const digest = digestOf(command)
        if (insert.run(command.id, digest, JSON.stringify(command), now).changes > 0) return { digest, isNew: true }
        const known = find.get(command.id)!
        return { digest: String(known.digest), isNew: false, ...placeOf(known) }
      }),
    published(id, { stream, seq }) {
      together.later(() => void publish.run(stream, seq, id))
    },
    forget: (id) => together.run(() => void remove.run(id)),
    pending: () => pending.all().map(({ body }) => JSON.parse(String(body)) as Command),
    purge: (before) => commit(database, () => void purge.run(before)),
    isWritable: writeProbe(database),
    close() {
      together.flush()
      database.close()
    },
  }
}

function placeOf({ stream, seq }: Record<string, unknown>): { place?: Place } {
  return stream === null ? {} : { place: { stream: String(stream), seq: Number(seq) } }
}

interface Waiting {
  readonly work: () => void
  settle(): void
  reject(failure: unknown): void
}

/** For how long a row waits for a commit that somebody else waits for. */
const LATER_MS = 50

/** Callers come side by side: what came in one turn is one commit. */
class GroupCommit {
  readonly #database: DatabaseSync
  #waiting: Waiting[] = []
  #isDue = false
  #later: NodeJS.Timeout | undefined

  constructor(database: DatabaseSync) {
    this.#database = database
  }

  run<Result>(work: () => Result): Promise<Result> {
    return new Promise((resolve, reject) => {
      let result: Result
      const kept = () => {
        result = work()
      }
      this.#waiting.push({ work: kept, reject, settle: () => resolve(result) })
      if (this.#isDue) return
      this.#isDue = true
      setImmediate(() => this.flush())
    })
  }

  /** In the order in which it came, with the next commit, or with one of its own a moment later. */
  later(work: () => void): void {
    this.#waiting.push({ work, settle() {}, reject() {} })
    this.#later ??= setTimeout(() => this.flush(), LATER_MS).unref()
  }

  flush(): void {
    clearTimeout(this.#later)
    this.#later = undefined
    this.#isDue = false
    const waiting = this.#waiting.splice(0)
    if (waiting.length === 0) return
    try {
      commit(this.#database, () => {
        for (const { work } of waiting) work()
      })
    } catch (failure) {
      for (const { reject } of waiting) reject(failure)
      return
    }
    for (const { settle } of waiting) settle()
  }
}
