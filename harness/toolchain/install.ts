import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { HoldfastError } from '../errors.ts'
import { settings as readSettings, userEnvironment } from '../settings.ts'
import { cachedTool, keep } from './cache.ts'
import { ask, findGo } from './installed.ts'
import { lockFolder } from './lock.ts'
import { writeOverlay } from './overlay.ts'
import { type ResolvedTool, type ResolveOptions, resolveTool, ToolMissing } from './resolve.ts'
import { BUILD_FLAGS, cacheFolder, pinnedVersion, requiredGo, source } from './source.ts'
import { type BuiltToolName, isBuilt, TOOLS, type ToolName } from './tools.ts'

const tellEveryMs = 5_000

interface InstallOptions extends ResolveOptions {
  /** One line for people, whenever there is something to tell, and every five seconds while Go works. */
  onProgress?: (line: string) => void
  signal?: AbortSignal
}

function goMissing(names: readonly BuiltToolName[], overlay: boolean): HoldfastError {
  const variables = names.map((name) => TOOLS[name].variable).join(', ')
  const packages = names.map((name) => `nixpkgs#${TOOLS[name].nixPackage}`).join(' ')
  return new HoldfastError(
    'HOLDFAST_GO_MISSING',
    `${names.join(', ')} cannot be built: no Go on PATH. Install Go ${requiredGo()} or newer (https://go.dev/doc/install, or ` +
      `nix shell nixpkgs#go), and type the command again${overlay ? '' : `; or bring the programs yourself: nix shell ${packages}, or set ${variables}`}`,
  )
}

function buildFailed(names: readonly BuiltToolName[], reason: string, log: readonly string[], options?: ErrorOptions) {
  const said = log.map((line) => `\n    ${line}`).join('')
  const message = `${names.join(', ')} could not be built: ${reason}${wayOut(log)}${said}`
  return new HoldfastError('HOLDFAST_TOOL_BUILD_FAILED', message, options)
}

function wayOut(log: readonly string[]): string {
  const text = log.join('\n')
  if (/no space left on device/i.test(text))
    return '. Free some disk space (the build needs about 2 GB), and type the command again'
  if (/go\.mod requires go >=/.test(text)) return '. Install a newer Go, and type the command again'
  if (/dial tcp|i\/o timeout|module lookup disabled|no such host|connection refused|\b(?:502|503|504)\b/i.test(text)) {
    return '. The download failed: check the network and `go env GOPROXY`, and type the command again'
  }
  return '. Nothing was kept; type the command again when the cause is gone'
}

/**
 * Finds programs, and builds those that are missing, all in one go. This is what a launch calls before it starts nodes.
 *
 * @throws HoldfastError `HOLDFAST_TOOL_BUILD_FAILED` or `HOLDFAST_GO_MISSING`: what is missing cannot be built here.
 */
export async function ensureTools(names: readonly ToolName[], options: InstallOptions = {}): Promise<ResolvedTool[]> {
  const missing: BuiltToolName[] = []
  const resolved = [...new Set(names)].map(async (name) => {
    return resolveTool(name, options).catch((failure) => {
      if (!(failure instanceof ToolMissing && isBuilt(name))) throw failure
      missing.push(name)
      return []
    })
  })
  const found = (await Promise.all(resolved)).flat()
  return [...found, ...(await installTools(missing.sort(), options))]
}

/**
 * Builds programs into the cache; those that are there, intact and built by this Go are left alone. Two runs at once do the work once:
 * the second waits. A program is built aside and moved into place whole, so nothing that fails leaves half a cache.
 */
export async function installTools(
  names: readonly BuiltToolName[],
  options: InstallOptions = {},
): Promise<ResolvedTool[]> {
  if (names.length === 0) return []
  const { settings = readSettings(), onProgress = () => undefined, signal, overlay = false } = options
  const go = await findGo(settings)
  if (go === undefined) throw goMissing(names, overlay)

  const folder = cacheFolder(settings, overlay)
  using _lock = await lock(folder, names, onProgress, signal)
  await removeLeftovers(folder)
  const work = await mkdtemp(join(folder, building))
  try {
    await writeFile(join(work, 'go.mod'), source().goMod)
    await writeFile(join(work, 'go.sum'), source().goSum)
    const version = await goVersion(go, work, names)
    const cached = await Promise.all(names.map((name) => cachedTool(name, folder, { verify: true })))
    const missing = names.filter((_, at) => cached[at]?.go !== version)
    if (missing.length > 0) {
      await build({ go, version, work, names: missing, overlay, onProgress, signal })
      for (const name of missing) {
        await keep(name, join(work, 'bin', name), folder, { version: pinnedVersion(name), go: version })
      }
      onProgress(`built ${missing.join(', ')} into ${folder}`)
    }
  } catch (failure) {
    if (failure instanceof HoldfastError || signal?.aborted) throw failure
    throw buildFailed(names, `the cache ${folder} cannot be written`, [], { cause: failure })
  } finally {
    await rm(work, { recursive: true, force: true })
  }
  const from = overlay ? 'overlay' : 'cache'
  return names.map((name) => ({ name, path: join(folder, name), version: pinnedVersion(name), source: from }))
}

const building = 'building-'

async function lock(
  folder: string,
  names: readonly BuiltToolName[],
  tell: (line: string) => void,
  signal?: AbortSignal,
) {
  try {
    const onWait = (pid?: string) =>
      tell(`another run builds programs already${pid === undefined ? '' : ` (process ${pid})`}: waiting for it`)
    return await lockFolder(folder, { signal, onWait })
  } catch (failure) {
    if (signal?.aborted) throw failure
    throw buildFailed(names, `the cache ${folder} cannot be locked`, [], { cause: failure })
  }
}

/** Folders of builds whose process was killed. Only the holder of the lock comes here. */
async function removeLeftovers(folder: string): Promise<void> {
  for (const entry of await readdir(folder)) {
    if (entry.startsWith(building)) await rm(join(folder, entry), { recursive: true, force: true })
  }
}

/** Asked inside the work folder: an older Go fetches the one that `go.mod` demands there, or says that it may not. */
async function goVersion(go: string, work: string, names: readonly BuiltToolName[]): Promise<string> {
  const { code, stdout, stderr } = await ask(go, ['env', 'GOVERSION'], { cwd: work, timeoutMs: 300_000 })
  if (code !== 0) throw buildFailed(names, `${go} does not work`, lastLines(stderr))
  return stdout.trim()
}

function lastLines(text: string): string[] {
  return text.trim().split('\n').slice(-5)
}

interface Build extends Required<Pick<InstallOptions, 'onProgress' | 'overlay'>>, Pick<InstallOptions, 'signal'> {
  go: string
  /** Of Go. */
  version: string
  work: string
  names: readonly BuiltToolName[]
}

async function build(plan: Build): Promise<void> {
  const { go, work, names, overlay, onProgress } = plan
  const bin = join(work, 'bin')
  await mkdir(bin)
  const kind = overlay ? ' that follow the clock and the host names of a run,' : ''
  onProgress(`building ${names.join(', ')}${kind} with ${plan.version}: once, a minute or more`)
  const replaced = overlay ? ['-overlay', await writeOverlay(go, work)] : []
  const packages = names.map((name) => TOOLS[name].package)
  await runGo(plan, ['build', ...BUILD_FLAGS, ...replaced, '-v', '-o', bin, ...packages])
  for (const name of names) {
    // A file that was cut short does not start.
    const { code, stderr } = await ask(join(bin, name), TOOLS[name].versionArgs)
    if (code !== 0) throw buildFailed([name], 'the built program does not start', lastLines(stderr))
  }
}

/** With `-v`, Go writes one line for each module that it downloads and each package that it compiles. */
function runGo({ go, work, names, onProgress, signal }: Build, args: string[]): Promise<void> {
  const environment = userEnvironment({ CGO_ENABLED: '0', GOWORK: 'off', GOOS: '', GOARCH: '', GO111MODULE: 'on' })
  return new Promise((resolve, reject) => {
    const child = spawn(go, args, {
      cwd: work,
      env: environment,
      stdio: ['ignore', 'ignore', 'pipe'],
      signal,
      killSignal: 'SIGINT', // Go ends its compilers on it.
    })
    const began = performance.now()
    const tail: string[] = []
    let downloaded = 0
    let compiled = 0
    createInterface(child.stderr).on('line', (line) => {
      if (line.startsWith('go: downloading ')) downloaded++
      else if (/^[\w.-]+(\/[^\s:]+)*$/.test(line)) compiled++
      else if (tail.push(line) > 10) tail.shift()
    })
    const tell = setInterval(() => {
      const seconds = Math.round((performance.now() - began) / 1000)
      onProgress(`${seconds} s: ${downloaded} modules downloaded, ${compiled} packages compiled`)
    }, tellEveryMs)
    child.once('error', (cause) => {
      clearInterval(tell)
      // After an abort Go still lives for a moment, and its folder must not be removed below it: 'close' comes.
      if (!signal?.aborted) reject(buildFailed(names, `${go} cannot be started`, [], { cause }))
    })
    child.once('close', (code, by) => {
      clearInterval(tell)
      if (signal?.aborted) reject(signal.reason)
      else if (code === 0) resolve()
      else reject(buildFailed(names, `go ended with ${by ?? `exit code ${code}`}`, tail))
    })
  })
}
