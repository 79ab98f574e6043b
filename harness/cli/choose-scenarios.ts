import { readFile, stat } from 'node:fs/promises'
import { dirname, extname, relative, resolve } from 'node:path'

/**
 * A scenario file is chosen by a part of its path, or by the topology that it declares: its name, also of one given by its path,
 * or the path of its file.
 */
export async function fitsAny(file: string, filters: readonly string[]): Promise<boolean> {
  const path = relative(process.cwd(), file)
  // A path as the shell completes it, `./lab/x.scenario.ts` say.
  const plain = filters.map((filter) => filter.replace(/^(\.\/)+/, ''))
  if (plain.some((filter) => path.includes(filter))) return true
  const declared = topologyCallsIn(await readFile(file, 'utf8')).map(({ topology }) => topology)
  if (declared.some((topology) => plain.includes(topology))) return true
  const files = filters.map((filter) => resolve(filter))
  if (declared.some((topology) => extname(topology) !== '' && files.includes(resolve(dirname(file), topology))))
    return true
  const names = await Promise.all(declared.map((topology) => nameOfPath(topology, dirname(file))))
  return names.some((name) => name !== undefined && plain.includes(name))
}

/** What a source makes of which topologies: the calls of `scenario`, `matrix` and `attacks` in it, with their names or paths. */
export function topologyCallsIn(source: string): { call: string; topology: string }[] {
  const calls = source.matchAll(/\b(scenario|matrix|attacks)\(\s*(['"`])([^'"`\n]+)\2/g)
  return [...calls].map(([, call = '', , topology = '']) => ({ call, topology }))
}

const topologyFile = /(?<!\.(scenario|test|config))\.(nix|json|m?[jt]s)$/

/** Whether a filter is the path of a file that may be a topology. */
export async function isTopologyFile(filter: string): Promise<boolean> {
  return topologyFile.test(filter) && (await stat(filter).catch(() => undefined))?.isFile() === true
}

/** The name that a topology file gives itself; undefined for shipped ones, and for files that cannot be read: those fail when they run. */
async function nameOfPath(topology: string, folder: string): Promise<string | undefined> {
  if (extname(topology) === '') return undefined
  const { loadTopology } = await import('../topology/load.ts')
  const loaded = await loadTopology(topology, { cwd: folder }).catch(() => undefined)
  const { name } = (loaded?.value ?? {}) as { name?: unknown }
  return typeof name === 'string' ? name : undefined
}
