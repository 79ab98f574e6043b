import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readFile, rename, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { BuiltToolName } from './tools.ts'

/** What tells one state of a file from another without reading it. */
interface FileStamp {
  size: number
  /** Milliseconds since 1970, with fraction. */
  modified: number
}

export async function stampOf(path: string): Promise<FileStamp> {
  const { size, mtimeMs } = await stat(path)
  return { size, modified: mtimeMs }
}

/** What is known of a built program; lies beside it as `<name>.json`. A program without one was never finished. */
interface Manifest extends FileStamp {
  version: string
  /** Hexadecimal, of the whole file. */
  sha256: string
  /** The Go that built it, as `go1.26.8`. */
  go: string
}

/**
 * The built program of that name, or undefined when there is none or when it is not the file that was built.
 * A file with the size and time of the manifest is believed; with another time it is read whole; `verify` always reads it.
 */
export async function cachedTool(name: BuiltToolName, folder: string, { verify = false }: { verify?: boolean } = {}) {
  const path = join(folder, name)
  const manifest: Manifest | undefined = await readFile(`${path}.json`, 'utf8')
    .then(JSON.parse)
    .catch(() => undefined)
  if (manifest === undefined) return undefined
  const stamp = await stampOf(path).catch(() => undefined)
  if (stamp === undefined || stamp.size !== manifest.size) return undefined
  if ((verify || stamp.modified !== manifest.modified) && (await sha256Of(path)) !== manifest.sha256) return undefined
  return { path, version: manifest.version, go: manifest.go }
}

/**
 * Moves a finished program into the cache. The manifest is written before anything moves, so a full disk leaves nothing, and it
 * moves last, so a crash in between leaves nothing that is believed.
 */
export async function keep(
  name: BuiltToolName,
  built: string,
  folder: string,
  facts: Pick<Manifest, 'version' | 'go'>,
) {
  const path = join(folder, name)
  const manifest: Manifest = { ...facts, ...(await stampOf(built)), sha256: await sha256Of(built) }
  await writeFile(`${built}.json`, `${JSON.stringify(manifest, null, 2)}\n`, { flush: true })
  await rename(built, path)
  await rename(`${built}.json`, `${path}.json`)
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash)
  return hash.digest('hex')
}
