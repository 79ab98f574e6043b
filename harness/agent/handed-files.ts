import { readdir, realpath } from 'node:fs/promises'
import { basename, join, sep } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { HoldfastError } from '../errors.ts'
import type { Receive } from '../topology/plan.ts'
import { stateOf } from './changes.ts'
import type { HandedFiles } from './protocol.ts'
import { openDeclared, type Reading } from './unit-files.ts'

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
export type FileSource = Exclude<Receive['source'], { mint: unknown } | { provisioner: unknown }>

/** A file of a source; `path`: where the plan names it or its folder, `real`: where it lies, without links. */
interface Found {
  name: string
  path: string
  real: string
}

/** All of them as they were at one moment: what changed while it was read is read again. */
export async function readFiles(context: Reading, source: FileSource): Promise<HandedFiles> {
  for (let readings = 0; readings < MOST_READINGS; readings += 1) {
    try {
      const found = await find(source)
      const state = await stateOfAll(found)
      const files = await readAll(context, found)
      if ((await stateOfFiles(source)) === state) return { files, state }
    } catch (cause) {
      // A folder that is being made anew: it is there at the next look, or it is not there at all.
      if ((cause as NodeJS.ErrnoException).code !== 'ENOENT' || readings > 0) throw cause
    }
  }
  throw new BadFiles(placeOf(source), 'changes all the time while it is read; hand over what was finished')
}

/** Tells one state of the files from another. */
export async function stateOfFiles(source: FileSource): Promise<string> {
  return stateOfAll(await find(source))
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
  if ('folder' in source) return source.folder
  return 'files' in source ? source.files.join(', ') : source.file
}

async function find(source: FileSource): Promise<Found[]> {
  if (!('folder' in source)) {
    const paths = 'files' in source ? source.files : [source.file]
    const names = paths.map((path) => basename(path))
    demandHandable(placeOf(source), names, 0)
    return Promise.all(paths.map(async (path, index) => ({ name: names[index]!, path, real: await realpath(path) })))
  }
  const path = source.folder
  const folder = await realpath(path)
  const names = (await readdir(folder)).filter((name) => !name.startsWith('.'))
  demandHandable(path, names, 0)
  const found = await Promise.all(names.map(async (name) => ({ name, path, real: await realpath(join(folder, name)) })))
  // Whoever may write there could link to what the plan does not hand over.
  const outside = found.find(({ real }) => !real.startsWith(folder + sep))
  if (outside === undefined) return found
  throw new BadFiles(join(folder, outside.name), 'leads out of its folder; put the file itself there')
}

async function stateOfAll(found: readonly Found[]): Promise<string> {
  const states = found.map(async ({ name, real }) => `${name} ${real} ${await stateOf(real)}`)
  return (await Promise.all(states)).sort().join('\n')
}

/** Judged by what was opened, and no more of it is read than is handed over: a path, and what it names, may change meanwhile. */
async function readAll(context: Reading, found: readonly Found[]): Promise<Record<string, string>> {
  const names = found.map(({ name }) => name)
  const read: Record<string, string> = {}
  let bytes = 0
  for (const { name, path, real } of found) {
    await using handle = await openDeclared(context, path, real)
    const file = await handle.stat()
    if (!file.isFile()) throw new BadFiles(real, 'is no file; hand over files, and folders by themselves')
    const content = await buffer(handle.createReadStream({ start: 0, end: MOST_BYTES - bytes }))
    bytes += Math.max(file.size, content.length)
    demandHandable(real, names, bytes)
    read[name] = content.toString('base64')
  }
  return read
}
