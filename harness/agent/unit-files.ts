import { constants } from 'node:fs'
import { chmod, type FileHandle, mkdir, open, readlink, realpath } from 'node:fs/promises'
import { dirname, relative, resolve, sep } from 'node:path'
import { HoldfastError } from '../errors.ts'
import { type NodeContext, type UnitContext, unitFolder } from './node-context.ts'
import {
  type FolderDemand,
  idsOfUser,
  makeFoldersOf,
  pathOfOpen,
  writeSecret,
  writeSecretFolder,
} from './secret-file.ts'

/** What to put before the programs of a unit: they die with the agent, and run as its user with the groups of that. */
export async function wrapperOf({ settings, unit }: UnitContext): Promise<readonly string[]> {
  // First: whoever gets other rights forgets with whom he was to die.
  const apart = unit.ownIpc ? (settings.ownIpc ?? []) : []
  const { dieWithParent } = settings
  if (unit.user === undefined) return [...apart, ...dieWithParent]
  const { uid, gid } = await idsOfUser(unit.user)
  return [...apart, ...dieWithParent.slice(0, -1), `--reuid=${uid}`, `--regid=${gid}`, '--init-groups', '--']
}

/** Folders that units share can be passed by everybody and read by nobody else, once some unit has a user of its own. */
export function sharedMode({ node }: Pick<NodeContext, 'node'>): number {
  return node.units.some(({ user }) => user !== undefined) ? 0o711 : 0o700
}

/** Makes a folder for a unit, and those above it. Within the unit's own folder they belong to its user. */
export async function makeFolder(context: UnitContext, path: string): Promise<void> {
  const { unit, unitDir } = context
  const shared = isWithin(unitDir, path) ? dirname(unitDir) : path
  const first = await mkdir(shared, { recursive: true, mode: 0o700 })
  // Not by `mkdir`, which leaves out what the umask says.
  for (let at = shared; first !== undefined && at.length >= first.length; at = dirname(at)) {
    await chmod(at, sharedMode(context))
  }
  if (shared === path) return
  if (unit.user === undefined) await mkdir(path, { recursive: true, mode: 0o700 })
  else await makeFoldersOf(unit.user, shared, relative(shared, path).split(sep))
}

/** Whether a path names something in a folder, or that folder. */
function isWithin(folder: string, path: string): boolean {
  return `${resolve(path)}${sep}`.startsWith(folder + sep)
}

/** Writes a file for a unit, to whose user it belongs where the plan names no other owner; or a folder of files. */
export async function writeFor(
  context: UnitContext,
  path: string,
  content: string | Uint8Array | ReadonlyMap<string, Uint8Array>,
  given: FolderDemand,
): Promise<void> {
  await makeFolder(context, dirname(path))
  const demand = { ...given, owner: given.owner ?? context.unit.user }
  if (content instanceof Map) await writeSecretFolder(path, content, demand)
  else await writeSecret(path, content as string | Uint8Array, demand)
}

/** Where files of the plan are read. */
export type Reading = Pick<NodeContext, 'dir' | 'node'>

/** Reads a file that the plan names. */
export async function readDeclared(context: Reading, path: string): Promise<Buffer> {
  await using handle = await openDeclared(context, path)
  return await handle.readFile()
}

/**
 * Opens it; `real`: where it was found to lie, without links. In the folder of a unit with a user, that user could have linked to
 * whatever only the agent may read.
 */
export async function openDeclared(context: Reading, path: string, real?: string): Promise<FileHandle> {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants
  const handle = await open(real ?? (await realpath(path)), O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
  try {
    for (const { name, user } of context.node.units) {
      const folder = unitFolder(context, name)
      if (user === undefined || !isWithin(folder, path)) continue
      const lies = await readlink(pathOfOpen(handle))
      const [found, { uid }] = await Promise.all([handle.stat(), idsOfUser(user)])
      const isOwn = found.isFile() && [uid, process.getuid?.()].includes(found.uid)
      if (isOwn && isWithin(await realpath(folder), lies)) continue
      throw new HoldfastError(
        'HOLDFAST_FILE_FOREIGN',
        `${path} is no file in the folder of ${name} that belongs to ${user} or to the agent; put the file itself there`,
      )
    }
    return handle
  } catch (cause) {
    await handle.close()
    throw cause
  }
}
