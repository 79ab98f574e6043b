import { HoldfastError } from '../errors.ts'
import { settings as readSettings, type Settings } from '../settings.ts'
import { cachedTool } from './cache.ts'
import { versionOf } from './installed.ts'
import { cacheFolder, pinnedVersion, readSource, type Source } from './source.ts'
import { findAll, isExecutable } from './stamped-file.ts'
import { TOOLS, type ToolName } from './tools.ts'
import { isAcceptable, minorRelease } from './version.ts'

export interface ResolvedTool {
  readonly name: ToolName
  /** Absolute. */
  readonly path: string
  /** `unknown` only where an explicit path names a program that does not tell. */
  readonly version: string
  /** `overlay`: of the cache, too, built so that it follows the clock and the host names of a run. */
  readonly source: 'explicit' | 'path' | 'cache' | 'overlay'
}

export interface ResolveOptions {
  /** Default: from the environment. */
  settings?: Settings
  /** Default: the `go.mod` and `go.sum` that Holdfast carries. */
  source?: Source
  /** Read a program of the cache whole and compare its SHA-256, instead of believing its size and time. */
  verify?: boolean
  /** The program has to follow a run's clock or host names: only a build with the overlay will do, whatever else is there. */
  overlay?: boolean
}

/** A program that was found on PATH and is not good enough. */
export interface Rejected {
  path: string
  version: string | undefined
}

export class ToolMissing extends HoldfastError {
  readonly tool: ToolName
  readonly rejected: readonly Rejected[]

  constructor(tool: ToolName, message: string, rejected: readonly Rejected[] = []) {
    super('HOLDFAST_TOOL_MISSING', message)
    this.tool = tool
    this.rejected = rejected
  }
}

function threeWays(tool: ToolName, wanted: string, rejected: readonly Rejected[]): string {
  const { variable, nixPackage } = TOOLS[tool]
  const found = rejected.map(({ path, version }) => ` ${path} is ${version ?? 'of a version that it does not tell'}.`)
  return (
    `${tool} ${minorRelease(wanted)} or newer is missing.${found.join('')} One of three ways helps: ` +
    `set ${variable} to its path; put it on PATH (nix shell nixpkgs#${nixPackage}); ` +
    'or build it once with Go: npx holdfast doctor --install'
  )
}

export class ToolUnusable extends HoldfastError {
  constructor(tool: ToolName, path: string) {
    const { variable } = TOOLS[tool]
    super('HOLDFAST_TOOL_UNUSABLE', `${variable} is ${path}, which is no executable file; correct it, or unset it`)
  }
}

/**
 * Finds a real program: the explicit path of the settings, then PATH where the version is acceptable, then the cache.
 * Starts nothing when the answer is known, and never builds: `ensureTools` does.
 *
 * @throws {ToolMissing} names the three ways to get it.
 * @throws {ToolUnusable} the explicit path is wrong; nothing else is tried then.
 */
export async function resolveTool(name: ToolName, options: ResolveOptions = {}): Promise<ResolvedTool> {
  const settings = options.settings ?? readSettings()
  const source = options.source ?? (await readSource())
  if (options.overlay) return overlayTool(name, settings, source, options)
  const explicit = settings.tools[name]
  if (explicit !== undefined) return explicitTool(name, explicit, settings, source)

  const pinned = pinnedVersion(name, source)
  const rejected: Rejected[] = []
  for (const path of await findAll(name, settings.path)) {
    const version = await versionOf(name, path, settings)
    if (version !== undefined && isAcceptable(version, pinned)) return { name, path, version, source: 'path' }
    rejected.push({ path, version })
  }

  const cached = await cachedTool(name, cacheFolder(source, settings), { verify: options.verify })
  if (cached !== undefined) return { name, path: cached.path, version: cached.manifest.version, source: 'cache' }
  throw new ToolMissing(name, threeWays(name, pinned, rejected), rejected)
}

/** Programs that others built go by the machine's clock and names: explicit paths and PATH do not count here. */
async function overlayTool(
  name: ToolName,
  settings: Settings,
  source: Source,
  { verify }: ResolveOptions,
): Promise<ResolvedTool> {
  const cached = await cachedTool(name, cacheFolder(source, settings, true), { verify })
  if (cached !== undefined) return { name, path: cached.path, version: cached.manifest.version, source: 'overlay' }
  throw new ToolMissing(
    name,
    `${name} that follows the clock and the host names of a run is missing; no other build helps here. ` +
      'Build it once with Go: npx holdfast doctor --install --overlay',
  )
}

async function explicitTool(name: ToolName, path: string, settings: Settings, source: Source): Promise<ResolvedTool> {
  if (!(await isExecutable(path))) throw new ToolUnusable(name, path)
  // A parent that resolved the program already passes its path on: then the version is known without asking.
  const cached = await cachedTool(name, cacheFolder(source, settings))
  const version = cached?.path === path ? cached.manifest.version : await versionOf(name, path, settings)
  return { name, path, version: version ?? 'unknown', source: 'explicit' }
}
