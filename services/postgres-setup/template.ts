import { createHash, randomUUID } from 'node:crypto'
import { readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeOwnFolder } from '../shared/own-folder.ts'
import { StartFailure } from '../shared/start-failure.ts'
import { initialise, type Server, say } from './server.ts'

/** Whom the first role of a cluster is, and the database that is renamed. */
export const SUPERUSER = 'postgres'
export const EMPTY_DATABASE = 'postgres'

const MAKING = '.making-'
/** As long as making one may take, and more. */
const LEFT_AFTER_MS = 600_000

/** Whatever changes what a template holds is part of its name. */
const RECIPE = 1

/**
 * An empty cluster of this server, made once and copied by everybody: to make one takes four times as long. Without `template0`, a third of
 * its files: what restores dumps would need it.
 */
export async function templateOf(server: Server, folder = defaultFolder()): Promise<string> {
  await ownFolder(folder)
  const path = join(folder, await nameOf(server))
  const isThere = () => stat(path).then(Boolean, () => false)
  if (await isThere()) return path
  await removeLeft(folder)
  const making = join(folder, `${MAKING}${randomUUID()}`)
  try {
    await initialise(server, making, SUPERUSER)
    const statements = ['ALTER DATABASE template0 IS_TEMPLATE false', 'DROP DATABASE template0']
    await say(server, { data: making, database: EMPTY_DATABASE, statements })
    await removeSpareLog(join(making, 'pg_wal'))
    await rename(making, path).catch(async (cause: unknown) => {
      // Somebody else was first; his is as good.
      if (!(await isThere())) throw cause
    })
  } finally {
    await rm(making, { recursive: true, force: true })
  }
  return path
}

/** What somebody began to make who was killed. */
async function removeLeft(folder: string): Promise<void> {
  for (const name of (await readdir(folder)).filter((one) => one.startsWith(MAKING))) {
    const made = await stat(join(folder, name)).catch(() => undefined)
    const isLeft = made !== undefined && Math.abs(Date.now() - made.mtimeMs) > LEFT_AFTER_MS
    if (isLeft) await rm(join(folder, name), { recursive: true, force: true })
  }
}

/** Files of the log that were made ahead, a third of all that would be copied: of a server that was stopped, the first holds all that counts. */
async function removeSpareLog(folder: string): Promise<void> {
  const [, ...spare] = (await readdir(folder)).filter((name) => /^[0-9A-F]{24}$/.test(name)).sort()
  await Promise.all(spare.map((name) => rm(join(folder, name))))
}

function defaultFolder(): string {
  return join(tmpdir(), `holdfast-postgres-${process.getuid?.()}`)
}

/** By content: the same program may lie elsewhere in each run. */
async function nameOf({ postgres, version }: Server): Promise<string> {
  const hash = createHash('sha256')
    .update(`${RECIPE} ${version} `)
    .update(await readFile(postgres))
  return `${version}-${hash.digest('hex').slice(0, 16)}`
}

/** It may lie where everybody can make folders: whoever came first must not own what databases begin with. */
async function ownFolder(folder: string): Promise<void> {
  if (await makeOwnFolder(folder)) return
  const wayOut = 'remove it, or name another (templates)'
  throw new StartFailure('templates_foreign', `${folder} is not a folder of this user alone; ${wayOut}`)
}
