import { createHash } from 'node:crypto'
import { readFile, realpath } from 'node:fs/promises'
import { join } from 'node:path'
import type { Settings } from '../settings.ts'
import { ask } from './run.ts'
import { findAll, stampOf, writeWhole } from './stamped-file.ts'
import { TOOLS, type ToolName } from './tools.ts'

/**
 * The version of a program that somebody else installed, or undefined when nothing tells it.
 * Asking starts a process, so the answer is kept until the file changes.
 */
export async function versionOf(name: ToolName, path: string, settings: Settings): Promise<string | undefined> {
  const file = await realpath(path)
  const key = createHash('sha256').update(JSON.stringify([name, file, await stampOf(file)]))
  const memory = join(settings.cacheDir, 'toolchain', 'versions', key.digest('hex').slice(0, 24))
  const known = await readFile(memory, 'utf8').catch(() => undefined)
  if (known !== undefined) return known

  const version = (await statedVersion(name, path)) ?? (await recordedVersion(name, path, settings))
  // A cache that cannot be written costs time, nothing else.
  if (version !== undefined) await writeWhole(memory, version).catch(() => undefined)
  return version
}

async function statedVersion(name: ToolName, path: string): Promise<string | undefined> {
  const { versionArgs, versionPattern } = TOOLS[name]
  const { stdout, stderr } = await ask(path, versionArgs)
  return versionPattern.exec(stdout || stderr)?.[1]
}

/** What Go wrote into the program: a build by `go build` or `go install` states no version of its own. */
async function recordedVersion(name: ToolName, path: string, settings: Settings): Promise<string | undefined> {
  const go = await findGo(settings)
  if (go === undefined) return undefined
  const { stdout } = await ask(go, ['version', '-m', path])
  for (const line of stdout.split('\n')) {
    const [kind, module, version] = line.trim().split(/\s+/)
    if ((kind === 'mod' || kind === 'dep') && module === TOOLS[name].module && version?.startsWith('v')) {
      return version.slice(1)
    }
  }
  return undefined
}

export async function findGo(settings: Settings): Promise<string | undefined> {
  return settings.go ?? (await findAll('go', settings.path))[0]
}
