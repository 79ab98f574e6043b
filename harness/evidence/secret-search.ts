import { createReadStream } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { KnownSecrets } from '../credentials/known-secrets.ts'
import { secretsIn } from '../credentials/secrets.ts'

/** What may stand on the edge of two pieces of a file. */
const overlap = 256
const pieceBytes = 1_048_576
/** Looks for secrets in every file below a folder, a piece at a time; `found` names file and secret. */
export async function secretsInFolder(
  folder: string,
  secrets: KnownSecrets,
): Promise<{ files: readonly string[]; found: readonly string[] }> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name))
  const found: string[] = []
  for (const file of files) {
    for (const secret of await foundInFile(file, secrets)) found.push(`${file} holds ${secret}`)
  }
  return { files, found }
}

async function foundInFile(file: string, secrets: KnownSecrets): Promise<Set<string>> {
  const found = new Set<string>()
  let before = ''
  for await (const piece of createReadStream(file, { encoding: 'latin1', highWaterMark: pieceBytes })) {
    const text = before + String(piece)
    for (const secret of secretsIn(text, secrets)) found.add(secret)
    before = text.slice(-overlap)
  }
  return found
}
