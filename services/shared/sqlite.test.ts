import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, expect, test } from 'vitest'
import {
  commit,
  commitLog,
  type DatabaseSchema,
  forgetOverwritten,
  openDatabase,
  StorageUnavailable,
} from './sqlite.ts'
import { StartFailure } from './start-failure.ts'

const root = mkdtempSync(join(tmpdir(), 'holdfast-sqlite-'))
afterAll(() => rmSync(root, { recursive: true }))

const schema: DatabaseSchema = {
  version: 2,
  statements: ['CREATE TABLE notes (id INTEGER PRIMARY KEY AUTOINCREMENT, text TEXT NOT NULL) STRICT'],
}
const pathOf = (name: string): string => join(root, name, 'state.db')

test('a new file is made for its owner only, durable, and can be opened again', () => {
  const path = pathOf('new')
  const first = openDatabase(path, schema)
  commit(first, () => first.prepare('INSERT INTO notes (text) VALUES (?)').run('kept'))

  expect(statSync(path).mode & 0o777).toBe(0o600)
  expect(statSync(join(root, 'new')).mode & 0o777).toBe(0o700)
  expect(first.prepare('PRAGMA journal_mode').get()).toEqual({ journal_mode: 'wal' })
  expect(first.prepare('PRAGMA synchronous').get()).toEqual({ synchronous: 2 })
  expect(first.prepare('PRAGMA foreign_keys').get()).toEqual({ foreign_keys: 1 })
  first.close()
  const again = openDatabase(path, schema)
  expect(again.prepare('SELECT text FROM notes').get()).toEqual({ text: 'kept' })
  again.close()
})

test.each<[string, (path: string) => void, RegExp]>([
  [
    'a newer schema',
    (path) => openDatabase(path, { ...schema, version: 3 }).close(),
    /has schema 3, this program knows 2/,
  ],
  [
    'an older schema',
    (path) => openDatabase(path, { ...schema, version: 1 }).close(),
    /does not hold the tables of schema 2/,
  ],
  ['a lost table', (path) => change(path, 'DROP TABLE notes'), /does not hold the tables/],
  ['another column', (path) => change(path, 'ALTER TABLE notes ADD COLUMN more TEXT'), /does not hold the tables/],
  ['a lost version', (path) => change(path, 'DELETE FROM meta'), /does not hold the tables/],
  ['text', (path) => writeFileSync(path, 'not a database '.repeat(500)), /cannot be used/],
  ['an open folder', (path) => chmodSync(join(path, '..'), 0o750), /is open to others/],
])('%s is refused at start', (name, spoil, message) => {
  const path = pathOf(name.replaceAll(' ', '-'))
  mkdirSync(join(path, '..'), { mode: 0o700 })
  spoil(path)

  expect(() => openDatabase(path, schema)).toThrow(StartFailure)
  expect(() => openDatabase(path, schema)).toThrow(message)
})

function change(path: string, sql: string): void {
  openDatabase(path, schema).close()
  const database = new DatabaseSync(path)
  database.exec(sql)
  database.close()
}

test('tables of an older version are brought up to date, with what they hold; half of it is none of it', () => {
  const path = pathOf('upgraded')
  const first = openDatabase(path, schema)
  commit(first, () => first.prepare('INSERT INTO notes (text) VALUES (?)').run('kept'))
  first.close()
  const added = 'CREATE TABLE marks (note INTEGER NOT NULL) STRICT'
  const next = { version: 3, statements: [...schema.statements, added] }
  expect(() => openDatabase(path, next)).toThrow(/does not hold the tables of schema 3/)
  expect(() => openDatabase(path, { ...next, upgrades: { 2: [added, 'DROP TABLE nowhere'] } })).toThrow(/no such table/)

  openDatabase(path, schema).close()
  const again = openDatabase(path, { ...next, upgrades: { 1: ['DROP TABLE notes'], 2: [added] } })
  expect(again.prepare('SELECT text FROM notes').get()).toEqual({ text: 'kept' })
  again.close()
  expect(() => openDatabase(path, schema)).toThrow(/has schema 3, this program knows 2/)
})

test.each([':memory:', '', 'file:x?mode=memory'])('%s is no place to keep anything', (path) => {
  expect(() => openDatabase(path, schema)).toThrow(StartFailure)
})

test('a commit that is blocked says so, and leaves nothing behind', () => {
  const path = pathOf('blocked')
  const database = openDatabase(path, schema)
  const other = new DatabaseSync(path)
  other.exec('BEGIN IMMEDIATE')
  const insert = () => commit(database, () => database.prepare('INSERT INTO notes (text) VALUES (?)').run('x'))

  expect(insert).toThrow(StorageUnavailable)
  other.exec('ROLLBACK')
  other.close()
  expect(insert).not.toThrow()
  expect(database.prepare('SELECT count(*) AS n FROM notes').get()).toEqual({ n: 1 })
  database.close()
})

test('work that fails is rolled back, and its failure is passed on', () => {
  const database = openDatabase(pathOf('failing'), schema)
  const work = () =>
    commit(database, () => {
      database.prepare('INSERT INTO notes (text) VALUES (?)').run('x')
      throw new RangeError('no')
    })

  expect(work).toThrow(RangeError)
  expect(database.prepare('SELECT count(*) AS n FROM notes').get()).toEqual({ n: 0 })
  database.close()
})

test('a file that cannot grow is storage that is not available', () => {
  const database = openDatabase(pathOf('full'), schema)
  database.exec('PRAGMA max_page_count = 6')
  const fill = () =>
    commit(database, () => database.prepare('INSERT INTO notes (text) VALUES (?)').run('x'.repeat(50_000)))

  expect(fill).toThrow(StorageUnavailable)
  expect(database.prepare('SELECT count(*) AS n FROM notes').get()).toEqual({ n: 0 })
  database.close()
})

test('what was deleted or overwritten is gone from the disk, and what was not is there', () => {
  const path = pathOf('forgetful')
  const database = openDatabase(path, schema)
  const onDisk = () =>
    readdirSync(join(path, '..'))
      .map((name) => readFileSync(join(path, '..', name), 'latin1'))
      .join('')
  const run = (sql: string, ...values: string[]) => commit(database, () => void database.prepare(sql).run(...values))
  for (const text of ['first-secret', 'second-secret', 'kept']) {
    run('INSERT INTO notes (text) VALUES (?)', text.repeat(20))
  }
  expect(onDisk()).toContain('first-secret')
  run('DELETE FROM notes WHERE id = 1')
  run("UPDATE notes SET text = '' WHERE id = 2")
  forgetOverwritten(database)

  expect(onDisk()).not.toMatch(/first-secret|second-secret/)
  expect(onDisk()).toContain('kept')
  database.close()
})

test('a commit is on disk when it returns, unless its schema says that it need not be', () => {
  const levelOf = (more: Partial<DatabaseSchema>, name: string) => {
    const database = openDatabase(pathOf(name), { ...schema, ...more })
    const level = database.prepare('PRAGMA synchronous').get()?.synchronous
    database.close()
    return level
  }

  expect(levelOf({}, 'on-disk')).toBe(2)
  expect(levelOf({ outlives: 'the process' }, 'in-the-process')).toBe(1)
})

/** The database as its file alone has it: what a machine finds that lost the log. */
function textsWithoutLog(path: string): string[] {
  const copy = `${path}.copy`
  copyFileSync(path, copy)
  const database = new DatabaseSync(copy)
  const rows = database.prepare('SELECT text FROM notes ORDER BY id').all()
  database.close()
  return rows.map(({ text }) => String(text))
}

test('a log that cannot be brought to the disk goes where a checkpoint puts it, and where that fails nothing is promised', async () => {
  const path = pathOf('unsynced')
  const database = openDatabase(path, { ...schema, outlives: 'the process' })
  const note = (text: string) =>
    commit(database, () => database.prepare('INSERT INTO notes (text) VALUES (?)').run(text))
  const log = commitLog(database, path)
  forgetOverwritten(database)
  note('synced')
  await log.onDisk()
  expect(textsWithoutLog(path)).toEqual([])
  log.close()

  const reader = new DatabaseSync(path)
  reader.exec('SELECT * FROM notes')
  // The log is gone for everybody but SQLite, which has it open.
  rmSync(`${path}-wal`)
  note('checkpointed')
  await log.onDisk()
  expect(textsWithoutLog(path)).toEqual(['synced', 'checkpointed'])

  reader.exec('BEGIN; SELECT * FROM notes')
  note('promised to nobody')
  await expect(log.onDisk()).rejects.toThrow(StorageUnavailable)
  // Nor when the log could be synced again: what it did not take then is in nobody's hands.
  writeFileSync(`${path}-wal`, '')
  await expect(log.onDisk()).rejects.toThrow(StorageUnavailable)
  reader.close()
  await log.onDisk()
  expect(textsWithoutLog(path)).toEqual(['synced', 'checkpointed', 'promised to nobody'])
  log.close()
  database.close()
})
