import { mkdir, mkdtemp, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { FolderOpen } from './failures.ts'

/** Behind it stands the process that is making it. */
const UNFINISHED = '.making-'

/** Makes a folder for this user alone, or sees that the one that is there is such a one. @throws FolderOpen */
export async function ownFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 })
  const { mode, uid } = await stat(path)
  const isOurs = uid === process.getuid?.() || process.getuid?.() === 0
  if ((mode & 0o077) !== 0 || !isOurs) throw new FolderOpen(path)
}

/** What a run left that was stopped: nobody has used it. What somebody is making just now stays. */
export async function removeUnfinished(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const [, maker] = /^\.making-(\d+)-/.exec(name) ?? []
    if (maker !== undefined && !isRunning(Number(maker))) await rm(join(folder, name), { recursive: true, force: true })
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (cause) {
    return (cause as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}

/** Beside what it becomes. */
function newFolderFor(path: string): Promise<string> {
  return mkdtemp(join(dirname(path), `${UNFINISHED}${process.pid}-`))
}

/**
 * Makes a folder of files as a whole, unless it is there: whoever is stopped half-way leaves nothing that counts. Of two who make it at
 * once, one finds it there.
 *
 * @returns whether it was made now
 */
export async function makeOnce(path: string, make: (folder: string) => Promise<void>): Promise<boolean> {
  if (await isThere(path)) return false
  const folder = await newFolderFor(path)
  try {
    await make(folder)
    for (const name of await readdir(folder)) await sync(join(folder, name))
    await sync(folder)
    await rename(folder, path)
  } catch (failure) {
    await rm(folder, { recursive: true, force: true })
    if (await isThere(path)) return false
    throw failure
  }
  await sync(dirname(path))
  return true
}

/** Replaces a file as a whole. */
export async function replace(path: string, text: string): Promise<void> {
  const folder = await newFolderFor(path)
  try {
    await using file = await open(join(folder, 'file'), 'wx', 0o600)
    await file.writeFile(text)
    await file.sync()
    await rename(join(folder, 'file'), path)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
  await sync(dirname(path))
}

async function isThere(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined
}

async function sync(path: string): Promise<void> {
  await using opened = await open(path, 'r')
  await opened.sync()
}
