import { randomUUID } from 'node:crypto'
import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { settings as readSettings, type Settings } from '../../settings.ts'
import { tryLockFolder } from '../../toolchain/lock.ts'

/**
 * What machines start from is made aside and moved, so that under its name it is whole. It is made in one folder, by whoever has the lock of
 * that (`lockFolder`): whatever lies there while nobody has it was left by somebody who died.
 */
const MAKING = 'making-'

/** Where all is kept that machines start from. */
export function folderOfMachines({ cacheDir }: Pick<Settings, 'cacheDir'> = readSettings()): string {
  return join(cacheDir, 'vm')
}

/** A folder to make something in. Only for who has the lock, and who removes it. */
export function folderAside(folder: string): Promise<string> {
  return mkdtemp(join(folder, MAKING))
}

/** Writes a file below the folder, whole. Only for who has the lock. */
export async function writeWhole(folder: string, path: string, content: string | Uint8Array): Promise<void> {
  const aside = join(folder, `${MAKING}${randomUUID()}`)
  await mkdir(dirname(path), { recursive: true })
  try {
    await writeFile(aside, content)
    await rename(aside, path)
  } finally {
    await rm(aside, { force: true })
  }
}

/** Removes what somebody left who died while making something, unless another one is making something now. */
export async function removeUnfinished(folder = folderOfMachines()): Promise<void> {
  using lock = await tryLockFolder(folder)
  if (lock !== undefined) await removeUnfinishedIn(folder)
}

/** Only for who has the lock, and makes nothing yet. */
export async function removeUnfinishedIn(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (name.startsWith(MAKING)) await rm(join(folder, name), { recursive: true, force: true })
  }
}
