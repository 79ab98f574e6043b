import { createReadStream } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { privateKeysIn } from './redact.ts'

/** So much of a secret is enough to know it by, wherever a line was cut. */
const length = 24
/** What may stand on the edge of two pieces of a file. */
const overlap = 256
const pieceBytes = 1_048_576
/** Base64, base64url, and nothing between. */
const runs = /[A-Za-z0-9_+/-]{24,}/g

/** Secrets that must not be written down anywhere. It keeps a beginning of each, and can be asked where one stands. */
export class Secrets {
  readonly #beginnings = new Set<string>()
  /** Of the first two characters of each: most places of a text are no secret's. */
  readonly #heads = new Set<number>()

  /** The parts of a token that nobody can guess; the header is the same for every token. */
  addToken(token: string): void {
    for (const part of token.split('.').slice(1)) this.#add(part)
  }

  /** Private members of a JWK, say. */
  addText(secret: string): void {
    this.#add(secret)
  }

  get size(): number {
    return this.#beginnings.size
  }

  /** What stands in `text`, named for a report: never the secret. */
  foundIn(text: string): string[] {
    const found = new Set(privateKeysIn(text))
    for (const [run] of text.matchAll(runs)) {
      for (let at = 0; at + length <= run.length; at += 1) {
        if (!this.#heads.has(headOf(run, at))) continue
        const beginning = run.slice(at, at + length)
        if (this.#beginnings.has(beginning)) found.add(`a secret that begins with ${beginning.slice(0, 8)}…`)
      }
    }
    return [...found]
  }

  #add(secret: string): void {
    const beginning = secret.slice(0, length)
    // One character over and over is what attacks fill with.
    if (beginning.length < length || new Set(beginning).size === 1) return
    this.#beginnings.add(beginning)
    this.#heads.add(headOf(beginning, 0))
  }
}

function headOf(text: string, at: number): number {
  return text.charCodeAt(at) * 128 + text.charCodeAt(at + 1)
}

/** Looks for secrets in every file below a folder, a piece at a time; `found` names file and secret. */
export async function secretsInFolder(
  folder: string,
  secrets: Secrets,
): Promise<{ files: readonly string[]; found: readonly string[] }> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name))
  const found: string[] = []
  for (const file of files) {
    for (const secret of await foundInFile(file, secrets)) found.push(`${file} holds ${secret}`)
  }
  return { files, found }
}

async function foundInFile(file: string, secrets: Secrets): Promise<Set<string>> {
  const found = new Set<string>()
  let before = ''
  for await (const piece of createReadStream(file, { encoding: 'latin1', highWaterMark: pieceBytes })) {
    const text = before + String(piece)
    for (const secret of secrets.foundIn(text)) found.add(secret)
    before = text.slice(-overlap)
  }
  return found
}
