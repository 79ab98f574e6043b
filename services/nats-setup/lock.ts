import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as wait } from 'node:timers/promises'
import { StoreBusy } from './failures.ts'

const LONGEST_WAIT_MS = 30_000
const TRIED_EVERY_MS = 50
const SQLITE_BUSY = 5

/**
 * Works on the store of a folder while nobody else does: nsc has no lock of its own. It ends with the process, however that ends.
 *
 * @throws StoreBusy when another one does not let go in half a minute
 */
export async function withStore<Result>(folder: string, work: () => Promise<Result>): Promise<Result> {
  const file = join(folder, 'lock.sqlite')
  // Waiting inside SQLite would hold up what this very process does with the store.
  const database = new DatabaseSync(file, { timeout: 0 })
  try {
    await locked(database, file)
    return await work()
  } finally {
    database.close()
  }
}

async function locked(database: DatabaseSync, file: string): Promise<void> {
  const end = performance.now() + LONGEST_WAIT_MS
  for (;;) {
    try {
      return database.exec('BEGIN EXCLUSIVE')
    } catch (cause) {
      const isBusy = (cause as { errcode?: number }).errcode === SQLITE_BUSY
      if (!isBusy || performance.now() > end) throw new StoreBusy(file, { cause })
      await wait(TRIED_EVERY_MS)
    }
  }
}
