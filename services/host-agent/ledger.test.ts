import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { commit, openDatabase } from '../shared/sqlite.ts'
import { type Ledger, openLedger } from './ledger.ts'

// Whatever was applied is known by its id, wherever its row is at that moment.

const folder = mkdtempSync(join(tmpdir(), 'holdfast-ledger-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const DAY = 86_400_000
const numbered = (id: string, seq: number) => ({ command: { id, verb: 'apply', args: { id } }, seq })
const ids = (count: number) => Array.from({ length: count }, (_, at) => `id-${at}`)

function applied(ledger: Ledger, ...some: string[]): boolean[] {
  return ledger.apply(
    some.map((id, at) => numbered(id, at + 1)),
    DAY,
  )
}

test.each([
  ['at once', (ledger: Ledger) => ledger],
  ['once it has settled', settled],
  ['after a restart', restarted],
  ['after a restart, once it has settled', (ledger: Ledger, path: string) => restarted(settled(ledger), path)],
])('an id that comes again %s is not applied again, and another one is', (when, happens) => {
  const path = join(folder, when, 'ledger.db')
  const first = openLedger(path)
  expect(applied(first, 'a', 'b', 'a')).toEqual([true, true, false])

  const ledger = happens(first, path)
  expect(applied(ledger, 'b', 'c', 'a')).toEqual([false, true, false])
  expect(ledger.summary()).toEqual({ applied: 3, lastSeq: 2, verbs: { apply: 3 } })
  ledger.close()
})

test('what the first version of it wrote down is known', () => {
  const path = join(folder, 'first version', 'ledger.db')
  const first = openDatabase(path, {
    version: 1,
    statements: [
      'CREATE TABLE applied (id TEXT PRIMARY KEY, seq INTEGER NOT NULL, applied_at INTEGER NOT NULL) STRICT, WITHOUT ROWID',
      'CREATE INDEX applied_by_age ON applied (applied_at)',
      'CREATE TABLE effects (verb TEXT PRIMARY KEY, times INTEGER NOT NULL, args TEXT NOT NULL, seq INTEGER NOT NULL) STRICT, WITHOUT ROWID',
    ],
  })
  commit(first, () =>
    first.exec("INSERT INTO applied VALUES ('a', 1, 1); INSERT INTO effects VALUES ('apply', 1, '{}', 1)"),
  )
  first.close()

  const ledger = openLedger(path)
  expect(applied(ledger, 'a', 'b')).toEqual([false, true])
  expect(ledger.summary()).toEqual({ applied: 2, lastSeq: 2, verbs: { apply: 2 } })
  ledger.close()
})

test('what is more than settles at once settles in the order in which it came', () => {
  const ledger = openLedger(join(folder, 'many', 'ledger.db'))
  applied(ledger, ...ids(1_500))
  settled(ledger)
  expect(applied(ledger, ...ids(1_501))).toEqual([...ids(1_500).map(() => false), true])
  settled(settled(ledger))
  expect(applied(ledger, ...ids(1_501))).not.toContain(true)
  ledger.close()
})

test('what settled is forgotten when it is old, and not before', () => {
  const ledger = openLedger(join(folder, 'old', 'ledger.db'))
  applied(ledger, 'a')
  settled(ledger).purge(DAY)
  expect(applied(ledger, 'a')).toEqual([false])
  ledger.purge(DAY + 1)
  expect(applied(ledger, 'a')).toEqual([true])
  ledger.close()
})

function settled(ledger: Ledger): Ledger {
  ledger.settle()
  return ledger
}

function restarted(ledger: Ledger, path: string): Ledger {
  ledger.close()
  return openLedger(path)
}
