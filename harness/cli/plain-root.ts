import { existsSync, realpathSync } from 'node:fs'
import { mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'

/** Where vitest finds the scenarios of the working directory. */
export interface PlainRoot extends AsyncDisposable {
  readonly path: string
  /** Whether it is a link, which must not be followed then. */
  readonly isLink: boolean
}

/**
 * The working directory, or a link to it where its path has letters that vite takes for the begin of a query or a fragment
 * (`issue #12`), or for a pattern.
 */
export async function plainRoot(): Promise<PlainRoot> {
  const cwd = process.cwd()
  if (!/[#?*]/.test(cwd)) return { path: cwd, isLink: false, [Symbol.asyncDispose]: async () => {} }
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-root-'))
  const path = join(folder, 'project')
  await symlink(cwd, path)
  // Packages are looked for above the link.
  for (let above = dirname(cwd); above !== dirname(above); above = dirname(above)) {
    const modules = join(above, 'node_modules')
    if (!existsSync(modules)) continue
    await symlink(modules, join(folder, 'node_modules'))
    break
  }
  return { path, isLink: true, [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) }
}

/** A file of the working directory, by its path from there, though a link led to it. */
export function fromHere(file: string): string {
  try {
    return relative('', realpathSync(file))
  } catch {
    return relative('', file)
  }
}
