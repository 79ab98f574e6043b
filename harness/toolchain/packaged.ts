import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { TOOLS, type ToolName } from './tools.ts'

export interface PackagedProgram {
  readonly path: string
  /** The folder with all that it needs, by paths relative to its own. */
  readonly folder: string
}

/** The program that lies in the package for this platform; undefined where there is none, or where that is not installed. */
export function packagedProgram(name: ToolName): PackagedProgram | undefined {
  const tool = TOOLS[name]
  if (!('npm' in tool)) return undefined
  try {
    // Found from the package that brings it: it may lie below that one alone.
    const bringing = createRequire(createRequire(import.meta.url).resolve(tool.npm.package))
    const module = bringing.resolve(`${tool.npm.platforms}/${process.platform}-${process.arch}`)
    const folder = join(dirname(module), '..', tool.folder)
    const path = join(folder, tool.file)
    return existsSync(path) ? { path, folder } : undefined
  } catch {
    return undefined
  }
}
