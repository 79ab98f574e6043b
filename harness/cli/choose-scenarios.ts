import { existsSync, readFileSync } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { dirname, extname, join, relative, resolve } from 'node:path'

/**
 * A scenario file is chosen by a part of its path, or by the topology that it declares: its name, also of one given by its path,
 * or the path of its file.
 */
export async function fitsAny(file: string, filters: readonly string[]): Promise<boolean> {
  const path = relative(process.cwd(), file)
  // A path as the shell completes it, `./lab/x.scenario.ts` say.
  const plain = filters.map((filter) => filter.replace(/^(\.\/)+/, ''))
  if (plain.some((filter) => path.includes(filter))) return true
  const [folder, files] = [dirname(file), filters.map((filter) => resolve(filter))]
  const fits = async ({ topology }: { topology: string }) => {
    if (plain.includes(topology)) return true
    if (extname(topology) === '') return false
    return files.includes(resolve(folder, topology)) || plain.includes((await nameIn(topology, folder)) ?? '')
  }
  const found = await Promise.all(topologyCallsIn(await readFile(file, 'utf8')).map(fits))
  return found.includes(true)
}

/** What a source makes of which topologies: the calls of `scenario`, `matrix` and `attacks` in it, with their names or paths. */
export function topologyCallsIn(source: string): { call: string; topology: string }[] {
  const calls = source.matchAll(/\b(scenario|matrix|attacks)\(\s*(['"`])([^'"`\n]+)\2/g)
  return [...calls].map(([, call = '', , topology = '']) => ({ call, topology }))
}

/** What a derived file, which the user has not named, says is to be typed to run it again. */
export function againIn(file: string): string | undefined {
  if (!file.includes(join('.holdfast', 'derived')) || !existsSync(file)) return undefined
  const [, again] = /"again":("(?:[^"\\]|\\.)*")/.exec(readFileSync(file, 'utf8')) ?? []
  return again === undefined ? undefined : (JSON.parse(again) as string)
}

const topologyFile = /(?<!\.(scenario|test|config))\.(nix|json|m?[jt]s)$/

/** Whether a filter is named as a file that may be a topology. */
export function isNamedAsTopology(filter: string): boolean {
  return topologyFile.test(filter)
}

/** Whether a filter is the path of a file that may be a topology. */
export async function isTopologyFile(filter: string): Promise<boolean> {
  return isNamedAsTopology(filter) && (await stat(filter).catch(() => undefined))?.isFile() === true
}

/** The name that a topology file gives itself; undefined where it cannot be read: that fails when it runs. */
async function nameIn(topology: string, folder: string): Promise<string | undefined> {
  const { loadTopology } = await import('../topology/load.ts')
  const loaded = await loadTopology(topology, { cwd: folder }).catch(() => undefined)
  const { name } = (loaded?.value ?? {}) as { name?: unknown }
  return typeof name === 'string' ? name : undefined
}
