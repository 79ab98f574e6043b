import { chmod, copyFile, link, mkdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
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
      const mode = (await stat(tool.path)).mode & 0o777
      // A second name takes no room; it is not to be had on another disk, or with another mode.
      const isLinked =
        (mode & 0o005) === 0o005 &&
        (await link(tool.path, path).then(
          () => true,
          () => false,
        ))
      if (!isLinked) {
        await copyFile(tool.path, path)
        await chmod(path, 0o755)
      }
      return { ...tool, path }
    }),
  )
}

async function canOthersRun(path: string): Promise<boolean> {
  if (((await stat(path)).mode & 0o005) !== 0o005) return false
  for (let above = dirname(path); above !== dirname(above); above = dirname(above)) {
    if (((await stat(above)).mode & 0o001) === 0) return false
  }
  return true
}
