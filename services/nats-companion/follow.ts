import type { Stats } from 'node:fs'
import { type FileHandle, open, stat } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { StringDecoder } from 'node:string_decoder'
import { watchFolder } from '../shared/watch-folder.ts'

/** Should a change go unnoticed, it is found by then. */
const LOOKS_EVERY_MS = 100
const CHUNK_BYTES = 65_536

/** Lines that were added to a file; `file` tells the one of that name from another that took its place. */
export interface Added {
  readonly file: string
  readonly lines: readonly string[]
}

/**
 * The lines of a file that somebody else goes on writing, from its beginning: those that are there, and none where `isImpatient` and
 * nothing came. A file that was replaced or emptied is read anew. It is waited for where it is not there yet.
 */
export async function* follow(
  file: string,
  { signal, isImpatient }: { signal: AbortSignal; isImpatient(): boolean },
): AsyncGenerator<Added> {
  using changes = changesOf(file)
  let reader: Reader | undefined
  try {
    while (!signal.aborted) {
      const changed = changes.next()
      let lines = await reader?.read()
      if (lines === undefined) {
        const next = await Reader.of(file, reader)
        // Until another file took its place, somebody may have written to the one before.
        lines = next === reader ? undefined : await reader?.read()
        if (lines === undefined) {
          if (next !== reader) await reader?.close()
          reader = next
          lines = await reader?.read()
        } else await next?.close()
      }
      lines ??= []
      if (lines.length > 0 || isImpatient()) yield { file: reader?.name ?? '', lines }
      if (lines.length === 0) await untilLater(changed, signal, isImpatient() ? 10 : LOOKS_EVERY_MS)
    }
  } finally {
    await reader?.close()
  }
}

class Reader {
  /** Two files of one name differ in it. */
  readonly name: string
  readonly #handle: FileHandle
  readonly #decoder = new StringDecoder()
  #at = 0
  #rest = ''

  private constructor(handle: FileHandle, name: string) {
    this.#handle = handle
    this.name = name
  }

  /** The same one where the file is still the one that it reads, which most often it is. */
  static async of(file: string, before: Reader | undefined): Promise<Reader | undefined> {
    const there = before && (await stat(file).catch(absent))
    if (there !== undefined && Reader.#isIn(there, before)) return before
    const handle = await open(file).catch(absent)
    if (handle === undefined) return before
    const found = await handle.stat()
    if (Reader.#isIn(found, before)) {
      await handle.close()
      return before
    }
    return new Reader(handle, nameOf(found))
  }

  /** Whether that is the file which it reads, and was not emptied. */
  static #isIn(found: Stats, reader: Reader | undefined): boolean {
    return reader?.name === nameOf(found) && found.size >= reader.#at
  }

  /** Whole lines that were added; undefined at the end of what is there. */
  async read(): Promise<string[] | undefined> {
    const { bytesRead, buffer } = await this.#handle.read(Buffer.alloc(CHUNK_BYTES), 0, CHUNK_BYTES, this.#at)
    if (bytesRead === 0) return undefined
    this.#at += bytesRead
    const lines = (this.#rest + this.#decoder.write(buffer.subarray(0, bytesRead))).split('\n')
    this.#rest = lines.pop() ?? ''
    return lines
  }

  close(): Promise<void> {
    return this.#handle.close()
  }
}

function nameOf({ ino, birthtimeMs }: Stats): string {
  return `${ino}@${birthtimeMs}`
}

function absent(failure: NodeJS.ErrnoException): undefined {
  if (failure.code !== 'ENOENT') throw failure
}

/** Hears of changes of a file, be it there or not. */
function changesOf(file: string) {
  let waiting = Promise.withResolvers<void>()
  const watcher = watchFolder(dirname(file), (name) => {
    if (name !== null && name !== basename(file)) return
    waiting.resolve()
    waiting = Promise.withResolvers<void>()
  })
  return { next: () => waiting.promise, [Symbol.dispose]: () => watcher?.close() }
}

async function untilLater(changed: Promise<void>, signal: AbortSignal, withinMs: number): Promise<void> {
  const late = Promise.withResolvers<void>()
  const timer = setTimeout(late.resolve, withinMs)
  signal.addEventListener('abort', () => late.resolve(), { once: true })
  await Promise.race([changed, late.promise])
  clearTimeout(timer)
}
