import { SetupError } from '../../shared/setup-error.ts'
import type { Configuration } from '../config.ts'
import { secretText } from '../start/secret-text.ts'
import { Database, type DatabaseOptions } from '../storage/database.ts'

/** Does something with the database as its owner, without an end to how long that may take. */
export function asOwner<Result>(
  configuration: Configuration,
  work: (database: Database) => Promise<Result>,
): Promise<Result> {
  return asRole(configuration, undefined, work)
}

/** The same as one of the roles that may do less. */
export async function asRole<Result>(
  configuration: Configuration,
  role: DatabaseOptions['role'],
  work: (database: Database) => Promise<Result>,
): Promise<Result> {
  const { databaseUrl: value, databaseUrlFile: file } = configuration
  const url = secretText({ key: 'databaseUrl', value, file })
  if (url === undefined) throw new SetupError('database_missing', 'databaseUrl is missing; name a PostgreSQL')
  await using database = new Database({ url, withinMs: 0, sessions: 2, ...(role !== undefined && { role }) })
  return await work(database)
}
