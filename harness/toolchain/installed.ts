import { execFile } from 'node:child_process'
import { createHash, randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { access, mkdir, readFile, realpath, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type Settings, userEnvironment } from '../settings.ts'
import { stampOf } from './cache.ts'
import { type BuiltToolName, isBuilt, TOOLS, type ToolName } from './tools.ts'
import { versionBeside } from './version.ts'

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

export async function findGo(settings: Settings): Promise<string | undefined> {
  return settings.go ?? (await findAll('go', settings.path))[0]
}

/**
 * Runs a program that answers a question (its version, say) and is not trusted to end: killed after `timeoutMs`. `code` is undefined
 * when it could not be started or did not end in time.
 */
export function ask(
  program: string,
  args: readonly string[],
  { timeoutMs = 10_000, cwd }: { timeoutMs?: number; cwd?: string } = {},
): Promise<{ code: number | undefined; stdout: string; stderr: string }> {
  const options = { timeout: timeoutMs, killSignal: 'SIGKILL', cwd, env: userEnvironment(), encoding: 'utf8' } as const
  return new Promise((resolve) => {
    execFile(program, args, options, (failure, stdout, stderr) => {
      const code = failure === null ? 0 : typeof failure.code === 'number' ? failure.code : undefined
      resolve({ code, stdout, stderr })
    })
  })
}

/** How long a program that told no version is not asked again: another one of that name may open a window when it is started. */
const UNTOLD_FOR_MS = 24 * 3_600_000

/** By the place of what is kept: programs that are asked for at once are asked once. */
const asked = new Map<string, Promise<string | undefined>>()

/**
 * The version of a program that somebody else installed, or undefined when nothing tells it.
 * Asking starts a process, so the answer is kept until the file changes; that there was none, for a day.
 */
export async function versionOf(name: ToolName, path: string, settings: Settings): Promise<string | undefined> {
  const file = await realpath(path)
  const key = createHash('sha256').update(JSON.stringify([name, file, await stampOf(file)]))
  const memory = join(settings.cacheDir, 'toolchain', 'versions', key.digest('hex').slice(0, 24))
  const known = await kept(memory)
  if (known !== undefined) return known || undefined
  const asking = asked.get(memory) ?? askedVersion(name, path, settings, memory)
  asked.set(memory, asking)
  return asking
}

async function kept(memory: string): Promise<string | undefined> {
  const text = await readFile(memory, 'utf8').catch(() => undefined)
  const isOld = text === '' && Math.abs(Date.now() - (await stat(memory)).mtimeMs) > UNTOLD_FOR_MS
  return isOld ? undefined : text
}

async function askedVersion(name: ToolName, path: string, settings: Settings, memory: string) {
  const version =
    (await statedVersion(name, path)) ?? (isBuilt(name) ? await recordedVersion(name, path, settings) : undefined)
  // A cache that cannot be written costs time, nothing else.
  await writeWhole(memory, version ?? '').catch(() => undefined)
  return version
}

async function statedVersion(name: ToolName, path: string): Promise<string | undefined> {
  const { versionArgs, versionPattern } = TOOLS[name]
  const { stdout, stderr } = await ask(path, versionArgs)
  return versionPattern.exec(stdout || stderr)?.[1]
}

/** What Go wrote into the program: a build by `go build` or `go install` states no version of its own. */
async function recordedVersion(name: BuiltToolName, path: string, settings: Settings): Promise<string | undefined> {
  const go = await findGo(settings)
  if (go === undefined) return undefined
  const { stdout } = await ask(go, ['version', '-m', path])
  return versionBeside(TOOLS[name].module, stdout)
}

/** Readers see the old text or the new one, and a full disk leaves the old one. */
async function writeWhole(path: string, text: string): Promise<void> {
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
