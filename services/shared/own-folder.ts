import { lstat, mkdir } from 'node:fs/promises'

/** Makes a folder for this user alone. False: what is there is another's, is open to others, or is a link or no folder. */
export async function makeOwnFolder(path: string): Promise<boolean> {
  await mkdir(path, { recursive: true, mode: 0o700 })
  return (await ownFolderIn(path)) === true
}

/** Whether what is there is a folder of this user alone; undefined: nothing is there. */
export async function ownFolderIn(path: string): Promise<boolean | undefined> {
  try {
    const status = await lstat(path)
    return status.isDirectory() && status.uid === process.getuid?.() && (status.mode & 0o077) === 0
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw cause
  }
}
