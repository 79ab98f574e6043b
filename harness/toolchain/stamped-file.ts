import { randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { access, mkdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'

/** What tells one state of a file from another without reading it. */
export interface FileStamp {
  size: number
  /** Milliseconds since 1970, with fraction. */
  modified: number
}

export async function stampOf(path: string): Promise<FileStamp> {
  const { size, mtimeMs } = await stat(path)
  return { size, modified: mtimeMs }
}

export async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK)
    return (await stat(path)).isFile()
  } catch {
    return false
  }
}

/** Every executable file of that name, in the order of the folders. */
export async function findAll(name: string, folders: readonly string[]): Promise<string[]> {
  const candidates = [...new Set(folders)].map((folder) => join(folder, name))
  const usable = await Promise.all(candidates.map(isExecutable))
  return candidates.filter((_, index) => usable[index])
}

/** Readers see the old text or the new one, and a full disk leaves the old one. */
export async function writeWhole(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  const temporary = `${path}.${randomUUID()}`
  try {
    await writeFile(temporary, text, { flush: true })
    await rename(temporary, path)
  } catch (failure) {
    await rm(temporary, { force: true })
    throw failure
  }
}
