import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { programEnvironment, settings } from '../../settings.ts'
import { lockFolder } from '../../toolchain/lock.ts'
import type { GuestFiles } from './guest-files.ts'
import { folderAside, folderOfMachines, writeWhole } from './set-aside.ts'

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
  const folder = folderOfMachines()
  const kept = join(folder, 'warm', name)
  if (existsSync(kept)) return kept
  using _ = await lockFolder(folder)
  if (existsSync(kept)) return kept
  await mkdir(dirname(kept), { recursive: true })
  const making = await folderAside(folder)
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
    this.#file = join(folderOfMachines(), 'tags', machine)
  }

  async read(): Promise<string | undefined> {
    const text = await readFile(this.#file, 'utf8').catch(() => '')
    return /^[0-9a-f]{1,8}$/.test(text) ? text : undefined
  }

  async write(tag: string): Promise<void> {
    if ((await this.read()) === tag) return
    const folder = folderOfMachines()
    using _ = await lockFolder(folder)
    await writeWhole(folder, this.#file, tag)
  }
}

/** What is remembered by it is of this name. */
export function nameOfImage(path: string): string {
  return basename(path, '.ext4')
}
