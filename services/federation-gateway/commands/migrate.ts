import type { Configuration } from '../config.ts'
import { migrate } from '../storage/migrate.ts'
import { asOwner } from './owner.ts'

/** Answers the names of what was done. */
export async function runMigrate(configuration: Configuration): Promise<{ readonly done: readonly string[] }> {
  return asOwner(configuration, async (database) => ({ done: await migrate(database) }))
}
