import { randomBytes } from 'node:crypto'
import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { HoldfastError } from '../../errors.ts'

/** Whoever has the machines did not do what was asked of him. Code `HOLDFAST_FAULT_UNSERVED`. */
export class FaultUnserved extends HoldfastError {
  constructor(asked: string, what: string) {
    super('HOLDFAST_FAULT_UNSERVED', `${asked}: ${what}; see what whoever has the machines says of it`)
  }
}

/** What happens to machines as such. */
export type FaultRequest =
  | { op: 'cut'; a: string; b: string; addresses: Readonly<Record<string, readonly string[]>> }
  | { op: 'heal' }

const WITHIN_MS = 60_000

/** Files, for whoever has the machines may have no more than a shell on this one: `ID.request` is a line of JSON, `ID.answer` one of text. */
export class Faults {
  readonly #dir: string
  readonly #withinMs: number

  constructor(dir: string, withinMs = WITHIN_MS) {
    this.#dir = dir
    this.#withinMs = withinMs
  }

  /** Resolves when it is done. @throws FaultUnserved */
  async ask(request: FaultRequest): Promise<void> {
    const id = randomBytes(8).toString('hex')
    const [asked, answered] = ['request', 'answer'].map((what) => join(this.#dir, `${id}.${what}`)) as [string, string]
    const line = JSON.stringify(request)
    await writeFile(`${asked}.new`, `${JSON.stringify({ id, ...request })}\n`)
    await rename(`${asked}.new`, asked)
    const end = performance.now() + this.#withinMs
    for (;;) {
      const answer = await readFile(answered, 'utf8').catch(() => undefined)
      if (answer !== undefined) {
        await rm(answered)
        if (answer.trim() === 'done') return
        throw new FaultUnserved(line, answer.trim())
      }
      if (performance.now() > end) {
        await rm(asked, { force: true })
        throw new FaultUnserved(line, `nobody answered within ${this.#withinMs / 1000} s`)
      }
      await wait(10)
    }
  }
}
