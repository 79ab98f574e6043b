import { randomBytes } from 'node:crypto'
import { constants, type FileHandle, mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { wayOutOfWrite } from '../shared/system-failure.ts'

/** Who has a file, and who may read it. */
export interface Demand {
  readonly mode: number
  readonly uid?: number | undefined
  readonly gid?: number | undefined
}

const UNFINISHED = '.tmp-'

/** Whether a file was left by somebody who was stopped while writing it. */
export function isUnfinished(path: string): boolean {
  return basename(path).startsWith(UNFINISHED)
}

/** A file that stands beside its place, whole. */
export interface Prepared {
  /** Its name is on disk once `syncFolder` was called. */
  place(): Promise<void>
  drop(): Promise<void>
}

/**
 * Replaces a file as a whole: whoever reads it sees what was there before, or all of this. Nobody else can read it before it has the
 * owner and the mode that it is to have, and it is on disk when this returns; its name is once `syncFolder` was called.
 */
export async function writeWhole(path: string, content: string | Uint8Array, demand: Demand): Promise<void> {
  await (await prepare(path, content, demand)).place()
}

/** Writes what is to stand at a path, and changes nothing there yet. */
export async function prepare(path: string, content: string | Uint8Array, demand: Demand): Promise<Prepared> {
  const unfinished = join(dirname(path), `${UNFINISHED}${randomBytes(8).toString('hex')}`)
  const drop = () => rm(unfinished, { force: true })
  const failed = async (failure: unknown): Promise<never> => {
    await drop()
    // A disk that is full says nothing of the place.
    const { code, message } = failure as NodeJS.ErrnoException
    const told = message.includes(dirname(path)) ? message : `${path}: ${message}`
    throw Object.assign(new Error(told, { cause: failure }), { code })
  }
  try {
    const file = await open(unfinished, 'wx', 0o600)
    try {
      await file.writeFile(content)
      await own(file, demand)
      await file.sync()
    } finally {
      await file.close()
    }
  } catch (failure) {
    return failed(failure)
  }
  return { place: () => rename(unfinished, path).catch(failed), drop }
}

/** Out of what the system says. */
export function wayOut(code: string): string {
  return code === 'EPERM' ? 'run this as a user who may give files to that owner and group' : wayOutOfWrite(code)
}

async function own(file: FileHandle, { mode, uid, gid }: Demand): Promise<void> {
  // A group of a file can be changed by its owner, who is another one after that.
  if (uid !== undefined || gid !== undefined) {
    const { uid: ownUid, gid: ownGid } = await file.stat()
    await file.chown(uid ?? ownUid, gid ?? ownGid)
  }
  await file.chmod(mode)
}

/** Makes a folder, or gives the one that is there its owner and mode. What is there and no folder stays, and is refused. */
export async function ownFolder(path: string, demand: Demand): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 })
  // Opened as what it is, so that nobody puts a link there between a look and the change of its owner.
  const folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW).catch((cause) => {
    throw ['ELOOP', 'ENOTDIR'].includes(cause.code) ? new Error(`${path} is a link`, { cause }) : cause
  })
  try {
    await own(folder, demand)
  } finally {
    await folder.close()
  }
}

/** Names in a folder are on disk when this returns. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

/** Files only: whatever else has such a name nobody was stopped writing. */
export async function removeUnfinished(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (isUnfinished(entry.name) && entry.isFile()) await rm(join(folder, entry.name), { force: true })
  }
}
