import { HoldfastError } from '../errors.ts'
import { settings as readSettings, type Settings } from '../settings.ts'
import { cachedTool } from './cache.ts'
import { findAll, isExecutable, versionOf } from './installed.ts'
import { packagedProgram } from './packaged.ts'
import { cacheFolder, oldestVersion } from './source.ts'
import { type BuiltToolName, isBuilt, TOOLS, type ToolName } from './tools.ts'
import { isAcceptable, minorRelease } from './version.ts'

export interface ResolvedTool {
  readonly name: ToolName
  /** Absolute. */
  readonly path: string
  /** `unknown` only where an explicit path names a program that does not tell. */
  readonly version: string
  /** `overlay`: of the cache, too, built so that it follows the clock and the host names of a run. */
  readonly source: 'explicit' | 'path' | 'package' | 'cache' | 'overlay'
  /** What it needs lies here, by paths relative to its own. Absent: it needs nothing. */
  readonly folder?: string
}

export interface ResolveOptions {
  /** Default: from the environment. */
  settings?: Settings
  /** Read a program of the cache whole and compare its SHA-256, instead of believing its size and time. */
  verify?: boolean
  /** The program has to follow a run's clock or host names: only a build with the overlay will do, whatever else is there. */
  overlay?: boolean
}

/** A program that was found, and is not good enough. */
type Rejected = { path: string; version: string | undefined }

export class ToolMissing extends HoldfastError {
  readonly rejected: readonly Rejected[]

  constructor(message: string, rejected: readonly Rejected[]) {
    super('HOLDFAST_TOOL_MISSING', message)
    this.rejected = rejected
  }
}

function threeWays(tool: ToolName, rejected: readonly Rejected[]): string {
  const { variable, nixPackage } = TOOLS[tool]
  const found = rejected.map(({ path, version }) => ` ${path} is ${version ?? 'of a version that it does not tell'}.`)
  return (
    `${tool} ${minorRelease(oldestVersion(tool))} or newer is missing.${found.join('')} One of three ways helps: ` +
    `set ${variable} to its path; put it on PATH (nix shell nixpkgs#${nixPackage}); or ${thirdWay(tool)}`
  )
}

/** How it comes to where Holdfast looks by itself. */
export function thirdWay(tool: ToolName): string {
  if (isBuilt(tool)) return 'build it once with Go: npx holdfast doctor --install'
  const { package: name, platforms } = TOOLS[tool].npm
  const own = `${platforms}/${process.platform}-${process.arch}`
  return `let npm install ${name} with its optional packages and their scripts: npm rebuild ${own} --ignore-scripts=false`
}

export class ToolUnusable extends HoldfastError {
  constructor(tool: ToolName, path: string) {
    const { variable } = TOOLS[tool]
    super('HOLDFAST_TOOL_UNUSABLE', `${variable} is ${path}, which is no executable file; correct it, or unset it`)
  }
}

/**
 * Finds a real program: the explicit path of the settings, then PATH where the version is acceptable, then the cache; of one that comes
 * in a package, that package before PATH, so that everybody runs the same. Go programs that others built go by the machine's clock and
 * names, so that for `overlay` the cache alone counts.
 * Starts nothing when the answer is known, and never builds: `ensureTools` does.
 *
 * @throws {ToolMissing} names the three ways to get it.
 * @throws {ToolUnusable} the explicit path is wrong; nothing else is tried then.
 */
export async function resolveTool(
  name: ToolName,
  { settings = readSettings(), verify, overlay = false }: ResolveOptions = {},
): Promise<ResolvedTool> {
  const explicit = settings.tools[name]
  if (explicit !== undefined && !overlay) return explicitTool(name, explicit, settings)

  const rejected: Rejected[] = []
  for (const candidate of overlay ? [] : await candidates(name, settings)) {
    const { path } = candidate
    const version = await versionOf(name, path, settings)
    if (version !== undefined && isAcceptable(version, oldestVersion(name))) return { name, version, ...candidate }
    rejected.push({ path, version })
  }
  if (!isBuilt(name)) throw new ToolMissing(threeWays(name, rejected), rejected)
  return builtTool(name, { settings, verify, overlay }, rejected)
}

/** Those that somebody else built, in the order in which they are asked for their version. */
async function candidates(
  name: ToolName,
  settings: Settings,
): Promise<Pick<ResolvedTool, 'path' | 'source' | 'folder'>[]> {
  const packaged = packagedProgram(name)
  const onPath = (await findAll(name, settings.path)).map((path) => ({ path, source: 'path' }) as const)
  return packaged === undefined ? onPath : [{ ...packaged, source: 'package' }, ...onPath]
}

async function builtTool(
  name: BuiltToolName,
  { settings, verify, overlay }: Required<Pick<ResolveOptions, 'settings' | 'overlay'>> & ResolveOptions,
  rejected: readonly Rejected[],
): Promise<ResolvedTool> {
  const cached = await cachedTool(name, cacheFolder(settings, overlay), { verify })
  if (cached !== undefined) {
    return { name, path: cached.path, version: cached.version, source: overlay ? 'overlay' : 'cache' }
  }
  if (!overlay) throw new ToolMissing(threeWays(name, rejected), rejected)
  const missing = `${name} that follows the clock and the host names of a run is missing; no other build helps here. `
  throw new ToolMissing(`${missing}Build it once with Go: npx holdfast doctor --install --overlay`, rejected)
}

async function explicitTool(name: ToolName, path: string, settings: Settings): Promise<ResolvedTool> {
  if (!(await isExecutable(path))) throw new ToolUnusable(name, path)
  // A parent that resolved the program already passes its path on: then the version is known without asking.
  const cached = isBuilt(name) ? await cachedTool(name, cacheFolder(settings)) : undefined
  const version = cached?.path === path ? cached.version : await versionOf(name, path, settings)
  return { name, path, version: version ?? 'unknown', source: 'explicit' }
}
