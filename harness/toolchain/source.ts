import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { HoldfastError } from '../errors.ts'
import type { Settings } from '../settings.ts'
import { OVERLAY_RECIPE } from './overlay.ts'
import { type BuiltToolName, isBuilt, TOOLS, type ToolName } from './tools.ts'
import { versionBeside } from './version.ts'

/** How programs are built: no paths of this machine inside, no symbols, no C compiler needed. */
export const BUILD_FLAGS = ['-mod=readonly', '-trimpath', '-buildvcs=false', '-ldflags=-s -w'] as const

let known: { goMod: string; goSum: string } | undefined

/** What all programs are built from: the text of `go.mod` and `go.sum`. */
export function source() {
  const text = (name: string) => readFileSync(join(import.meta.dirname, name), 'utf8')
  try {
    known ??= { goMod: text('go.mod'), goSum: text('go.sum') }
    return known
  } catch (cause) {
    throw broken(`the sources of the toolchain cannot be read in ${import.meta.dirname}`, { cause })
  }
}

function broken(what: string, options?: ErrorOptions): HoldfastError {
  return new HoldfastError('HOLDFAST_TOOLCHAIN_SOURCE_BROKEN', `${what}; install Holdfast again`, options)
}

/** The version that one must have, or a newer one. */
export function oldestVersion(name: ToolName): string {
  return isBuilt(name) ? pinnedVersion(name) : TOOLS[name].oldest
}

/** The version that `go.mod` pins, without its `v`. */
export function pinnedVersion(name: BuiltToolName): string {
  const { module } = TOOLS[name]
  const version = versionBeside(module, source().goMod)
  if (version !== undefined) return version
  throw broken(`the toolchain's go.mod pins no version of ${module}`)
}

/** The oldest Go that can build the programs, as `go.mod` states it. */
export function requiredGo(): string {
  return /^go (\S+)$/m.exec(source().goMod)?.[1] ?? '0'
}

type Folders = Pick<Settings, 'cacheDir'> & Partial<Pick<Settings, 'toolchainDir'>>

/**
 * Folder of the programs that are built from this source, for this platform, with these flags.
 *
 * The installed Go is not part of the name: asking for its version costs a process at every start, and a machine whose
 * programs are built needs no Go any more. `go.mod` demands the oldest Go that may build them, each program's manifest
 * records the one that did, and `doctor --install` builds again what another Go built.
 */
export function cacheFolder({ cacheDir, toolchainDir }: Folders, overlay = false): string {
  const { goMod, goSum } = source()
  const hash = createHash('sha256')
  hash.update(JSON.stringify([goMod, goSum, process.platform, process.arch, BUILD_FLAGS]))
  if (overlay) hash.update(OVERLAY_RECIPE)
  return join(toolchainDir ?? join(cacheDir, 'toolchain'), hash.digest('hex').slice(0, 24))
}
