import { readFile } from 'node:fs/promises'
import { dirname, extname, relative } from 'node:path'

/** A scenario file is chosen by a part of its path, or by the name of the topology that it declares, also of one given by its path. */
export async function fitsAny(file: string, filters: readonly string[]): Promise<boolean> {
  const path = relative(process.cwd(), file)
  // A path as the shell completes it, `./lab/x.scenario.ts` say.
  const plain = filters.map((filter) => filter.replace(/^(\.\/)+/, ''))
  if (plain.some((filter) => path.includes(filter))) return true
  const declared = declaredTopologies(await readFile(file, 'utf8'))
  if (declared.some((topology) => plain.includes(topology))) return true
  const names = await Promise.all(declared.map((topology) => nameOfPath(topology, dirname(file))))
  return names.some((name) => name !== undefined && plain.includes(name))
}

/** What the calls of `scenario` and `matrix` in a source name: topologies, or paths of their files. */
function declaredTopologies(source: string): string[] {
  const calls = source.matchAll(/\b(?:scenario|matrix)\(\s*(['"`])([^'"`\n]+)\1/g)
  return [...calls].map(([, , topology = '']) => topology)
}

/** The name that a topology file gives itself; undefined for shipped ones, and for files that cannot be read: those fail when they run. */
async function nameOfPath(topology: string, folder: string): Promise<string | undefined> {
  if (extname(topology) === '') return undefined
  const { loadTopology } = await import('../topology/load.ts')
  const loaded = await loadTopology(topology, { cwd: folder }).catch(() => undefined)
  const { name } = (loaded?.value ?? {}) as { name?: unknown }
  return typeof name === 'string' ? name : undefined
}
