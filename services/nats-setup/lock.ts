import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { StoreBusy } from './failures.ts'

const LONGEST_WAIT_MS = 30_000

/**
 * Works on the store of a folder while nobody else does: nsc has no lock of its own. It ends with the process, however that ends.
 *
 * @throws StoreBusy when another one does not let go in half a minute
 */
export async function withStore<Result>(
  folder: string,
  work: () => Promise<Result>,
  waitMs = LONGEST_WAIT_MS,
): Promise<Result> {
  const file = join(folder, 'lock.sqlite')
  const database = new DatabaseSync(file, { timeout: waitMs })
  try {
    try {
      database.exec('BEGIN EXCLUSIVE')
    } catch (cause) {
      throw new StoreBusy(file, { cause })
    }
    return await work()
  } finally {
    database.close()
  }
}
