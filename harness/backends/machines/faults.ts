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
  /** Its power is cut, and what it had in memory is gone; on again, it is done when its agent can be led. One that is on stays so. */
  | { op: 'crash' | 'start'; node: string }
  /** All of its network cables are pulled, and plugged in again. */
  | { op: 'block' | 'unblock'; node: string }
  /** It stops between two instructions, and goes on. */
  | { op: 'freeze' | 'thaw'; node: string }
  /** Its clock is set to so many seconds ahead of the coordinator's machine. */
  | { op: 'clock'; node: string; seconds: number }

const WITHIN_MS = 60_000

/** What a run asked for and must not stay, once it is over: machines are given back as they were taken. */
export class Undoing {
  readonly #faults: Faults
  #isCut = false
  /** By node: what puts it right, in the order in which that can be done. */
  readonly #wrong = new Map<string, Set<'thaw' | 'start' | 'unblock' | 'clock'>>()

  constructor(faults: Faults) {
    this.#faults = faults
  }

  async ask(request: FaultRequest): Promise<void> {
    this.#note(request)
    await this.#faults.ask(request)
  }

  /** Whether a machine was told to lose its power. */
  isOff(node: string): boolean {
    return this.#wrong.get(node)?.has('start') === true
  }

  #note(request: FaultRequest): void {
    if (request.op === 'cut') this.#isCut = true
    else if (request.op === 'heal') this.#isCut = false
    else {
      const wrong = this.#wrong.get(request.node) ?? new Set()
      this.#wrong.set(request.node, wrong)
      if (request.op === 'crash') wrong.add('start')
      else if (request.op === 'block') wrong.add('unblock')
      else if (request.op === 'freeze') wrong.add('thaw')
      else if (request.op === 'clock' && request.seconds !== 0) wrong.add('clock')
      else wrong.delete(request.op)
    }
  }

  /** All of it, whatever becomes of one. One after the other: nobody can do anything with a machine that stands still. */
  async undo(): Promise<void> {
    const failures: unknown[] = []
    for (const [node, wrong] of this.#wrong) await this.#undoAt(node, wrong).catch((cause) => failures.push(cause))
    if (this.#isCut) await this.ask({ op: 'heal' }).catch((cause: unknown) => failures.push(cause))
    if (failures.length > 0) throw new AggregateError(failures, 'machines were not given back as they were taken')
  }

  async #undoAt(node: string, wrong: ReadonlySet<string>): Promise<void> {
    for (const op of ['thaw', 'start', 'unblock'] as const) if (wrong.has(op)) await this.ask({ op, node })
    if (wrong.has('clock')) await this.ask({ op: 'clock', node, seconds: 0 })
  }
}

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
