import { chmod, mkdir } from 'node:fs/promises'
import { dirname, relative, resolve, sep } from 'node:path'
import { type NodeContext, unitFolder } from './node-context.ts'
import { type FolderDemand, idsOfUser, makeFoldersOf, writeSecret, writeSecretFolder } from './secret-file.ts'

/** The operating-system user of a unit, where it has one of its own. */
export function userOf({ node }: NodeContext, unit: string): string | undefined {
  return node.units.find(({ name }) => name === unit)?.user
}

/** What to put before the programs of a unit: they die with the agent, and run as its user with the groups of that. */
export async function wrapperOf(context: NodeContext, unit: string): Promise<readonly string[]> {
  const { dieWithParent } = context.settings
  const user = userOf(context, unit)
  if (user === undefined) return dieWithParent
  const { uid, gid } = await idsOfUser(user)
  return [...dieWithParent.slice(0, -1), `--reuid=${uid}`, `--regid=${gid}`, '--init-groups', '--']
}

/** Folders that units share can be passed by everybody and read by nobody else, once some unit has a user of its own. */
export function sharedMode({ node }: Pick<NodeContext, 'node'>): number {
  return node.units.some(({ user }) => user !== undefined) ? 0o711 : 0o700
}

/** Makes a folder for a unit, and those above it. Within the unit's own folder they belong to its user. */
export async function makeFolder(context: NodeContext, unit: string, path: string): Promise<void> {
  const [user, own] = [userOf(context, unit), unitFolder(context, unit)]
  const shared = isWithin(own, path) ? dirname(own) : path
  const first = await mkdir(shared, { recursive: true, mode: 0o700 })
  // Not by `mkdir`, which leaves out what the umask says.
  for (let at = shared; first !== undefined && at.length >= first.length; at = dirname(at)) {
    await chmod(at, sharedMode(context))
  }
  if (shared === path) return
  if (user === undefined) await mkdir(path, { recursive: true, mode: 0o700 })
  else await makeFoldersOf(user, shared, relative(shared, path).split(sep))
}

/** Whether a path names something in a folder, or that folder. */
export function isWithin(folder: string, path: string): boolean {
  return `${resolve(path)}${sep}`.startsWith(folder + sep)
}

/** Writes a file for a unit, to whose user it belongs where the plan names no other owner; or a folder of files. */
export async function writeFor(
  context: NodeContext,
  unit: string,
  path: string,
  content: string | Uint8Array | ReadonlyMap<string, Uint8Array>,
  given: FolderDemand,
): Promise<void> {
  await makeFolder(context, unit, dirname(path))
  const demand = { ...given, owner: given.owner ?? userOf(context, unit) }
  if (content instanceof Map) await writeSecretFolder(path, content, demand)
  else await writeSecret(path, content as string | Uint8Array, demand)
}
