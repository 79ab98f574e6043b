import type { Configuration } from '../config.ts'
import { secretText } from '../start/secret-text.ts'
import { Database, type DatabaseOptions } from '../storage/database.ts'
import { startEmbedded } from '../storage/embedded.ts'

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
  const { databaseUrl: value, databaseUrlFile: file, dataDir, postgres } = configuration
  const named = secretText({ key: 'databaseUrl', value, file })
  const embedded = named === undefined ? await startEmbedded({ dataDir, program: postgres }) : undefined
  try {
    const url = named ?? embedded!.url
    await using database = new Database({ url, withinMs: 0, sessions: 2, ...(role !== undefined && { role }) })
    return await work(database)
  } finally {
    // One that runs already is a gateway's.
    if (embedded?.wasThere === false) await embedded.stop()
  }
}
