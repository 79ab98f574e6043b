import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { programEnvironment, settings } from '../../settings.ts'
import type { GuestFiles } from './guest-files.ts'

const run = promisify(execFile)

const WITHIN_MS = 120_000
/** Modules that do nothing but define, of agents and reference nodes. A program's own file runs it. */
const defining = /\/(harness\/agent|harness\/backends\/vm\/multiplexer|services\/).*\.[jt]s$/
const running = /\/(main|guest)\.[jt]s$|\/templates\//

/** Loads each, whatever the others do. */
const loadAll = `
  for (const url of JSON.parse(process.env.HOLDFAST_MODULES)) await import(url).catch(() => {})
  process.exit()`

/**
 * What Node has made of the modules of agents: a folder of its compile cache. To make it anew takes a translated machine several times as long as
 * to boot. It is made here, once for each state of Holdfast's files, and belongs to whatever Node has the same version.
 *
 * @param name what tells that state from others
 */
export async function warmCode(files: GuestFiles, name: string): Promise<string> {
  const folder = join(settings().cacheDir, 'vm', 'warm')
  const kept = join(folder, name)
  if (existsSync(kept)) return kept
  await mkdir(folder, { recursive: true })
  const making = await mkdtemp(join(folder, 'making-'))
  const modules = [...files.keys()].filter((path) => defining.test(path) && !running.test(path))
  const env = programEnvironment({
    NODE_COMPILE_CACHE: making,
    HOLDFAST_MODULES: JSON.stringify(modules.map((path) => pathToFileURL(path).href)),
  })
  const argv = ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', loadAll]
  // Without it all is the same, and slower.
  await run(process.execPath, argv, { env, timeout: WITHIN_MS }).catch(() => {})
  const [made] = await readdir(making)
  if (made !== undefined) await rename(join(making, made), kept).catch(() => {})
  await rm(making, { recursive: true, force: true })
  return kept
}

/** The same as files of a machine whose Node calls its folder by `tag`. */
export async function warmFiles(folder: string, tag: string): Promise<Map<string, { content: Buffer; mode: number }>> {
  const place = join(settings().compileCache, `${process.version}-${process.arch}-${tag}-0`)
  const names = await readdir(folder).catch(() => [])
  const read = async (name: string) =>
    [join(place, name), { content: await readFile(join(folder, name)), mode: 0o600 }] as const
  return new Map(await Promise.all(names.map(read)))
}

/** How the Node of a machine calls its folder: it is known once one has run. `machine`: what tells its kind from others. */
export class KnownTag {
  readonly #file: string

  constructor(machine: string) {
    this.#file = join(settings().cacheDir, 'vm', 'tags', machine)
  }

  async read(): Promise<string | undefined> {
    const text = await readFile(this.#file, 'utf8').catch(() => '')
    return /^[0-9a-f]{1,8}$/.test(text) ? text : undefined
  }

  async write(tag: string): Promise<void> {
    if ((await this.read()) === tag) return
    await mkdir(join(this.#file, '..'), { recursive: true })
    const aside = `${this.#file}.${process.pid}`
    await writeFile(aside, tag)
    await rename(aside, this.#file)
  }
}

/** What is remembered by it is of this name. */
export function nameOfImage(path: string): string {
  return basename(path, '.ext4')
}
