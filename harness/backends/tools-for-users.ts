import { chmod, copyFile, link, lstat, mkdir, readdir, readlink, stat, symlink } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import type { ResolvedTool } from '../toolchain/resolve.ts'

/**
 * The same programs where users of units can run them: the cache of whoever builds them is often below a home that is closed to
 * others. Those have another name in the folder of the run, which ends with it.
 */
export async function toolsForUsers(tools: readonly ResolvedTool[], folder: string): Promise<ResolvedTool[]> {
  return Promise.all(
    tools.map(async (tool) => {
      if (await canOthersRun(tool.path)) return tool
      const path = join(folder, 'tools', tool.name)
      await mkdir(dirname(path), { recursive: true })
      await chmod(dirname(path), 0o711)
      if (tool.folder !== undefined) {
        await nameAll(tool.folder, path)
        return { ...tool, folder: path, path: join(path, relative(tool.folder, tool.path)) }
      }
      await nameAgain(tool.path, path, 0o755)
      return { ...tool, path }
    }),
  )
}

/** Another name for each file below a folder. */
async function nameAll(from: string, to: string): Promise<void> {
  await mkdir(to)
  await chmod(to, 0o755)
  for (const { name } of await readdir(from, { withFileTypes: true })) {
    const [file, path] = [join(from, name), join(to, name)]
    const status = await lstat(file)
    if (status.isDirectory()) await nameAll(file, path)
    else if (status.isSymbolicLink()) await symlink(await readlink(file), path)
    else await nameAgain(file, path, (status.mode & 0o100) === 0 ? 0o644 : 0o755)
  }
}

/** `mode`: what others need. A second name takes no room; it is not to be had on another disk, or with another mode. */
async function nameAgain(file: string, path: string, mode: number): Promise<void> {
  const needed = mode & 0o005
  const found = (await stat(file)).mode
  const isLinked =
    (found & needed) === needed &&
    (await link(file, path).then(
      () => true,
      () => false,
    ))
  if (isLinked) return
  await copyFile(file, path)
  await chmod(path, mode)
}

async function canOthersRun(path: string): Promise<boolean> {
  if (((await stat(path)).mode & 0o005) !== 0o005) return false
  for (let above = dirname(path); above !== dirname(above); above = dirname(above)) {
    if (((await stat(above)).mode & 0o001) === 0) return false
  }
  return true
}
