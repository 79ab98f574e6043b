import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, mkdir, open, readdir, readFile, readlink, rename, rm, stat, symlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { HoldfastError } from '../errors.ts'
import type { Receive } from '../topology/plan.ts'

/** Something else is where a folder is to be made or handed over to. Code `HOLDFAST_HANDOVER_PLACE`. */
export class PlaceTaken extends HoldfastError {
  constructor(path: string, cause: unknown, what = 'is a folder that was not handed over') {
    super('HOLDFAST_HANDOVER_PLACE', `${path} ${what}; let the plan name another`, { cause })
  }
}

/** Modes are octal text, `0600`; owner and group are names or numbers, and to give to others needs privileges. */
export type FolderDemand = Omit<Receive['to'], 'path'>
export type FileDemand = Omit<FolderDemand, 'folderMode'>

/** Writes a file in one step: a reader sees the old content or the new, never half of it. Mode and owner are checked after it. */
export async function writeSecret(path: string, content: string | Uint8Array, demand: FileDemand): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const temporary = `${path}.${randomBytes(4).toString('hex')}.tmp`
  try {
    await using handle = await open(temporary, 'wx', 0o600)
    await handle.writeFile(content)
    await give(handle, demand)
    await rename(temporary, path)
  } catch (cause) {
    await rm(temporary, { force: true })
    throw cause
  }
  await check(path, demand)
}

/**
 * Puts a folder of files in the place of the one before, in one step: `path` is a link, and all of it lies beside. The set before
 * stays until the next, for whoever is still reading it.
 */
export async function writeSecretFolder(
  path: string,
  files: ReadonlyMap<string, Uint8Array>,
  { folderMode = '0700', ...demand }: FolderDemand,
): Promise<void> {
  const [above, name] = [dirname(path), basename(path)]
  const set = `.${name}.${randomBytes(8).toString('hex')}.set`
  const link = `${join(above, set)}.link`
  await mkdir(join(above, set), { recursive: true, mode: 0o700 })
  try {
    for (const [file, content] of files) await writeSecret(join(above, set, file), content, demand)
    await using folder = await openFolder(join(above, set))
    await give(folder, { ...demand, mode: folderMode })
    await check(join(above, set), { ...demand, mode: folderMode })
    const before = await readlink(path).catch(() => undefined)
    await symlink(set, link)
    await rename(link, path).catch((cause: NodeJS.ErrnoException) => {
      throw cause.code === 'EISDIR' ? new PlaceTaken(path, cause) : cause
    })
    await removeSets(above, name, [set, before])
  } catch (cause) {
    await Promise.all([rm(link, { force: true }), rm(join(above, set), { recursive: true, force: true })])
    throw cause
  }
}

async function removeSets(above: string, name: string, kept: readonly (string | undefined)[]): Promise<void> {
  const isSet = (entry: string) =>
    entry.startsWith(`.${name}.`) && /^[0-9a-f]{16}\.set$/.test(entry.slice(name.length + 2))
  const old = (await readdir(above)).filter((entry) => isSet(entry) && !kept.includes(entry))
  await Promise.all(old.map((entry) => rm(join(above, entry), { recursive: true, force: true })))
}

function idsOf({ owner, group }: FileDemand): Promise<[number | undefined, number | undefined]> {
  return Promise.all([idOf(owner, '/etc/passwd'), idOf(group, '/etc/group')])
}

/** Gives what is open the owner, group and mode that are demanded: a path could lead elsewhere by now. */
async function give(handle: FileHandle, demand: FileDemand): Promise<void> {
  const [uid, gid] = await idsOf(demand)
  if (uid !== undefined || gid !== undefined) await handle.chown(uid ?? -1, gid ?? -1)
  // After it: another owner takes the bits that lend rights away.
  await handle.chmod(Number.parseInt(demand.mode, 8))
}

/** A folder itself, and no link to one. */
function openFolder(path: string): Promise<FileHandle> {
  return open(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW)
}

/** Makes a folder below another, level by level, all for `owner`, who may meanwhile put a link in the place of any level. */
export async function makeFoldersOf(owner: string, base: string, levels: readonly string[]): Promise<void> {
  await using opened = new AsyncDisposableStack()
  let above = base
  for (const [index, name] of levels.entries()) {
    const place = join(above, name)
    await mkdir(place, 0o700).catch((cause: NodeJS.ErrnoException) => {
      if (cause.code !== 'EEXIST') throw cause
    })
    const level = await openFolder(place).catch((cause: unknown) => {
      throw new PlaceTaken(join(base, ...levels.slice(0, index + 1)), cause, 'is a link or no folder')
    })
    opened.use(level)
    await give(level, { mode: '0700', owner })
    above = pathOfOpen(level)
  }
}

/** What was opened, wherever the path that it was opened by leads now. Only Linux has this, and only there units have users. */
export function pathOfOpen({ fd }: FileHandle): string {
  return `/proc/self/fd/${fd}`
}

async function check(path: string, demand: FileDemand): Promise<void> {
  const [uid, gid] = await idsOf(demand)
  const found = await stat(path)
  const octal = (value: number) => `0${(value & 0o7777).toString(8)}`
  const all = [
    { what: 'mode', is: octal(found.mode), must: octal(Number.parseInt(demand.mode, 8)) },
    { what: 'owner', is: found.uid, must: uid },
    { what: 'group', is: found.gid, must: gid },
  ]
  const wrong = all.find(({ is, must }) => must !== undefined && is !== must)
  if (wrong === undefined) return
  throw new HoldfastError(
    'HOLDFAST_HANDOVER_MODE',
    `${path}: its ${wrong.what} is ${wrong.is} and must be ${wrong.must}; check the file system's mount options and the user`,
  )
}

/** Number of a user or group; names are looked up in the system's own table. */
async function idOf(name: string | undefined, table: string): Promise<number | undefined> {
  if (name === undefined) return undefined
  return /^\d+$/.test(name) ? Number(name) : Number((await rowOf(name, table, 1))[2])
}

/** Numbers of a user and of its first group. */
export async function idsOfUser(name: string): Promise<{ uid: number; gid: number }> {
  const [, , uid, gid] = await rowOf(name, '/etc/passwd', 2)
  return { uid: Number(uid), gid: Number(gid) }
}

/**
 * Of a file of the system: users that only a directory service knows are none here. `numbers`: how many stand from the third column
 * on; a row without them names nobody, least of all the user 0 that an empty text would be.
 */
export async function rowOf(name: string, table: string, numbers: 1 | 2): Promise<string[]> {
  const rows = (await readFile(table, 'utf8')).split('\n').map((line) => line.split(':'))
  const hasNumbers = (columns: string[]) => /^\d+(:\d+)*$/.test(columns.slice(2, 2 + numbers).join(':'))
  const row = rows.find((columns) => columns[0] === name && hasNumbers(columns))
  if (row !== undefined) return row
  throw new HoldfastError('HOLDFAST_HANDOVER_OWNER', `${name} is not in ${table}; name a user or group of this machine`)
}
