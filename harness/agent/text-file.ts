import { createReadStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'

/** The text of a file; `from`: without its first bytes, up to the end of a line. */
export async function readTextFrom(path: string, from = 0): Promise<string> {
  return from === 0 ? readFile(path, 'utf8') : text(createReadStream(path, { start: from }))
}
