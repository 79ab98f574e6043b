import { constants, cpSync } from 'node:fs'
import { lstat, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { StartFailure } from '../shared/start-failure.ts'
import type { Configuration } from './config.ts'
import { readPassword } from './password.ts'
import { scramVerifier } from './scram.ts'
import { type Server, say, serverAt } from './server.ts'
import { EMPTY_DATABASE, templateOf } from './template.ts'

/** Says whose a data folder is: what was made for another database is not taken for ours. */
const MARK = 'holdfast.json'

/** Makes the data folder with database and owner, or leaves one that it made before as it is. Answers what it did. */
export async function setUp(configuration: Configuration): Promise<{ data: string; version: string; made: boolean }> {
  const { data, passwordFile, versionSettings } = configuration
  const [server, password] = [await serverAt(configuration.server), await readPassword(passwordFile)]
  const found = await foundAt(configuration, server)
  await writeFile(versionSettings, settingsOf(server), { mode: 0o600 })
  if (!found) await make(configuration, server, password)
  return { data, version: server.version, made: !found }
}

async function make(
  { data, database, owner, templates }: Configuration,
  server: Server,
  password: string,
): Promise<void> {
  const making = `${data}.new`
  // Of somebody who was killed.
  await rm(making, { recursive: true, force: true })
  // At once: in threads each of its many small files takes twice the time.
  cpSync(await templateOf(server, templates), making, { recursive: true, mode: constants.COPYFILE_FICLONE })
  const role = `CREATE ROLE ${owner} LOGIN CREATEROLE PASSWORD '${scramVerifier(password)}'`
  const statements = [
    role,
    ...(database === EMPTY_DATABASE ? [] : [`ALTER DATABASE ${EMPTY_DATABASE} RENAME TO ${database}`]),
    `ALTER DATABASE ${database} OWNER TO ${owner}`,
    `REVOKE ALL ON DATABASE ${database} FROM PUBLIC`,
  ]
  await say(server, { data: making, database: 'template1', statements })
  await writeFile(join(making, MARK), JSON.stringify({ database, owner }), { mode: 0o600 })
  await rename(making, data)
}

/** Whether the data folder is there, and ours. */
async function foundAt({ data, database, owner }: Configuration, { major }: Server): Promise<boolean> {
  const status = await lstat(data).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return undefined
    throw foreign(data, `cannot be read (${cause.code})`)
  })
  if (status === undefined) return false
  if (!status.isDirectory()) throw foreign(data, 'is a link or no folder')
  if (status.uid !== process.getuid?.()) throw foreign(data, `belongs to user ${status.uid}`)
  const mark = await readFile(join(data, MARK), 'utf8').catch(() => undefined)
  if (mark === undefined) throw foreign(data, 'was not made here')
  if (mark !== JSON.stringify({ database, owner })) throw foreign(data, `was made for ${mark}`)
  const version = (await readFile(join(data, 'PG_VERSION'), 'utf8')).trim()
  if (version === String(major)) return true
  throw new StartFailure('data_version', `${data} is of PostgreSQL ${version}; name that one, or another folder`)
}

function foreign(data: string, what: string): StartFailure {
  return new StartFailure('data_foreign', `${data} ${what}; name another folder`)
}

/** Since 18, reads would take processes of their own, which small databases wait for in vain. */
function settingsOf({ major }: Server): string {
  return major >= 18 ? "io_method = 'sync'\n" : ''
}
