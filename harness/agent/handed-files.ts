import { readdir, realpath } from 'node:fs/promises'
import { basename, join, sep } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { HoldfastError } from '../errors.ts'
import { stateOf } from './changes.ts'
import { openDeclared } from './declared-file.ts'
import type { NodeContext } from './node-context.ts'
import type { HandedFiles } from './protocol.ts'

const MOST_FILES = 256
const MOST_BYTES = 4 * 1_048_576
const MOST_READINGS = 40

/** Files cannot be handed over as they are. Code `HOLDFAST_HANDOVER_FILES`. */
export class BadFiles extends HoldfastError {
  constructor(path: string, what: string) {
    super('HOLDFAST_HANDOVER_FILES', `${path} ${what}`)
  }
}

/** Paths that are handed over under their last name, or all files of a folder but those that begin with a dot. */
export type FileSource = { paths: readonly string[] } | { folder: string }

type Reading = Pick<NodeContext, 'dir' | 'node'>

/** All of them as they were at one moment: what changed while it was read is read again. */
export async function readFiles(context: Reading, source: FileSource): Promise<HandedFiles> {
  for (let readings = 0; readings < MOST_READINGS; readings += 1) {
    try {
      const files = await pathsOf(source)
      const state = await stateOfAll(files)
      const read = await readAll(context, source, files)
      if ((await stateOfFiles(source)) === state) return { files: read, state }
    } catch (cause) {
      // A folder that is being made anew: it is there at the next look, or it is not there at all.
      if ((cause as NodeJS.ErrnoException).code !== 'ENOENT' || readings > 0) throw cause
    }
  }
  throw new BadFiles(placeOf(source), 'changes all the time while it is read; hand over what was finished')
}

/** Tells one state of the files from another. */
export async function stateOfFiles(source: FileSource): Promise<string> {
  return stateOfAll(await pathsOf(source))
}

/** Refuses what would not lie in the folder that it is written to, and what is more than a hand-over takes. */
export function demandHandable(place: string, names: readonly string[], bytes: number): void {
  const bad = names.find((name) => !/^[A-Za-z0-9_][A-Za-z0-9._@+-]{0,199}$/.test(name))
  if (bad !== undefined) {
    throw new BadFiles(place, `has the name ${JSON.stringify(bad)}; write letters, digits and "._@+-", no dot first`)
  }
  if (new Set(names).size < names.length) throw new BadFiles(place, 'has two files of one name; rename one')
  if (names.length > MOST_FILES) throw new BadFiles(place, `has ${names.length} files; ${MOST_FILES} at most`)
  if (bytes > MOST_BYTES) throw new BadFiles(place, `has ${bytes} bytes; ${MOST_BYTES} at most`)
}

function placeOf(source: FileSource): string {
  return 'folder' in source ? source.folder : source.paths.join(', ')
}

/** Where each file really lies, by name. */
async function pathsOf(source: FileSource): Promise<ReadonlyMap<string, string>> {
  const folder = 'folder' in source ? await realpath(source.folder) : undefined
  const found =
    folder === undefined
      ? (source as { paths: readonly string[] }).paths
      : (await readdir(folder)).filter((name) => !name.startsWith('.')).map((name) => join(folder, name))
  const names = found.map((path) => basename(path))
  demandHandable(placeOf(source), names, 0)
  const real = await Promise.all(found.map((path) => realpath(path)))
  // Whoever may write there could link to what the plan does not hand over.
  const outside = real.findIndex((path) => folder !== undefined && !path.startsWith(folder + sep))
  if (outside >= 0) throw new BadFiles(found[outside]!, 'leads out of its folder; put the file itself there')
  return new Map(names.map((name, index) => [name, real[index]!]))
}

async function stateOfAll(files: ReadonlyMap<string, string>): Promise<string> {
  const states = [...files].map(async ([name, path]) => `${name} ${path} ${await stateOf(path)}`)
  return (await Promise.all(states)).sort().join('\n')
}

/** Judged by what was opened, and no more of it is read than is handed over: a path, and what it names, may change meanwhile. */
async function readAll(
  context: Reading,
  source: FileSource,
  files: ReadonlyMap<string, string>,
): Promise<Record<string, string>> {
  const read: Record<string, string> = {}
  let bytes = 0
  for (const [name, path] of files) {
    const declared = 'folder' in source ? source.folder : source.paths.find((path) => basename(path) === name)
    await using handle = await openDeclared(context, declared as string, path)
    const found = await handle.stat()
    if (!found.isFile()) throw new BadFiles(path, 'is no file; hand over files, and folders by themselves')
    const content = await buffer(handle.createReadStream({ start: 0, end: MOST_BYTES - bytes }))
    bytes += Math.max(found.size, content.length)
    demandHandable(path, [...files.keys()], bytes)
    read[name] = content.toString('base64')
  }
  return read
}
