import { randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { HoldfastError } from '../errors.ts'
import type { Environments } from '../faults/sabotage.ts'
import type { Command, Plan, PlanUnit, Step } from '../topology/plan.ts'
import { until } from './until.ts'

/** A unit of a service that is to be mutated does not answer: it has stopped, or hangs. Code `HOLDFAST_MUTANT_UNANSWERED`. */
export class MutantUnanswered extends HoldfastError {
  constructor(unit: string, cause: unknown) {
    super('HOLDFAST_MUTANT_UNANSWERED', `${unit}: it did not take a mutant on or off`, { cause })
  }
}

/** What programs of a service came to since the mutant before was switched. */
export interface Seen {
  readonly reached: ReadonlySet<number>
  readonly refused: ReadonlySet<string>
  /** Units that have ended: a test stops some. */
  readonly gone: ReadonlySet<string>
}

const place = Symbol.for('holdfast: the site whose services have mutants')
const withinMs = 8_000

/** What a program writes: what it came to in this turn, and in the one before. */
interface Answer {
  readonly turn: number
  readonly pid: number
  readonly hasEnded: boolean
  readonly seen: readonly { readonly turn: number; readonly reached: number[]; readonly refused: string[] }[]
}

/**
 * The mutants of one site: which is on, and what its programs came to. They are in all that runs a service that has some: in its units, in those
 * that run it for a step, at their start or on demand, and in what a test runs of it beside them.
 */
export class MutatedSite {
  /** Of the run. */
  readonly #mutants: string
  readonly #folder: string
  /** `NODE/UNIT`, or `NODE/service:NAME`; and whether a program is there for as long as the site is. */
  readonly #places: ReadonlyMap<string, { readonly stays: boolean }>
  #turn = 1

  /** Ends the site: the next test gets a new one. */
  readonly renew: () => Promise<void>

  constructor(mutants: string, plan: Plan, renew: () => Promise<void>) {
    this.renew = renew
    this.#mutants = mutants
    this.#places = placesIn(plan, readdirSync(join(mutants, 'services')))
    this.#folder = join(mutants, 'sites', randomUUID())
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 })
    this.#write(0)
    ;(globalThis as { [place]?: MutatedSite | undefined })[place] = this
  }

  /** Environment of those places, over what they get anyway. */
  environment(given: Environments = {}): Environments {
    const hook = new URL('../faults/mutation.mjs', import.meta.url).href
    const mutated = [...this.#places.keys()].map((at) => {
      const own = given[at]
      const options = own?.NODE_OPTIONS ?? given[at.split('/')[0]!]?.NODE_OPTIONS ?? ''
      const added = {
        NODE_OPTIONS: `${options} --import ${hook}`.trim(),
        HOLDFAST_MUTANTS: this.#mutants,
        HOLDFAST_MUTATED_SITE: this.#folder,
        HOLDFAST_MUTATED_PLACE: this.#answersOf(at),
      }
      return [at, { ...own, ...added }]
    })
    return { ...given, ...Object.fromEntries(mutated) }
  }

  /** Switches a mutant on, 0 for none; answers what all programs came to before, those that have ended since, too. @throws MutantUnanswered */
  async switchTo(number: number): Promise<Seen> {
    this.#turn += 1
    this.#write(number)
    const answers = await Promise.all([...this.#places.keys()].map((at) => this.#answered(at)))
    const seen = answers.flat().flatMap((answer) => answer.seen.filter(({ turn }) => turn === this.#turn - 1))
    const staying = [...this.#places].flatMap(([at, { stays }], index) => (stays ? [{ at, of: answers[index]! }] : []))
    return {
      reached: new Set(seen.flatMap(({ reached }) => reached)),
      refused: new Set(seen.flatMap(({ refused }) => refused)),
      gone: new Set(staying.flatMap(({ at, of }) => (of.some(({ turn }) => turn === this.#turn) ? [] : [at]))),
    }
  }

  /** Of all programs at a place, once each has gone along or has ended. What has ended is told once. */
  async #answered(at: string): Promise<readonly Answer[]> {
    let answers: readonly Answer[] = []
    const haveAnswered = () => {
      answers = this.#read(at)
      const isThere = answers.length > 0 || !this.#places.get(at)!.stays
      return isThere && answers.every((one) => one.turn === this.#turn || isOver(one))
    }
    await until(`${at} answers`, haveAnswered, { withinMs, everyMs: 5 }).catch((cause: unknown) => {
      throw new MutantUnanswered(at, cause)
    })
    // The last one stays: by it a unit that a test has stopped is known to be gone.
    const told = answers.filter((one) => isOver(one) && one.turn < this.#turn).slice(0, -1)
    for (const { pid } of told) rmSync(join(this.#answersOf(at), `${pid}.json`))
    return answers
  }

  #read(at: string): Answer[] {
    const folder = this.#answersOf(at)
    const names = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.json')) : []
    return names.map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')))
  }

  #answersOf(at: string): string {
    return join(this.#folder, at.replaceAll(/[/:]/g, '-'))
  }

  #write(number: number): void {
    const file = join(this.#folder, 'switch')
    writeFileSync(`${file}.part`, `${this.#turn} ${number}`)
    renameSync(`${file}.part`, file)
  }
}

/** Where programs of these services may run. */
function placesIn({ nodes }: Plan, services: readonly string[]): Map<string, { stays: boolean }> {
  return new Map(
    Object.values(nodes).flatMap((node) => {
      const own = node.units.filter((unit) => servicesIn(unit).some((name) => services.includes(name)))
      return [
        ...own.map((unit) => [`${node.name}/${unit.name}`, { stays: staysAs(unit, services) }] as const),
        ...services.map((name) => [`${node.name}/service:${name}`, { stays: false }] as const),
      ]
    }),
  )
}

function staysAs({ service }: PlanUnit, services: readonly string[]): boolean {
  const program = service?.command?.program
  return program !== undefined && 'service' in program && services.includes(program.service)
}

function servicesIn({ service, steps }: PlanUnit): string[] {
  const commands = [service?.command, ...commandsIn(steps)]
  return commands.flatMap((one) => (one !== undefined && 'service' in one.program ? one.program.service : []))
}

function commandsIn(steps: readonly Step[]): Command[] {
  return steps.flatMap((step) => {
    if ('parallel' in step) return step.parallel.flatMap(commandsIn)
    return 'run' in step ? step.run : []
  })
}

function isOver({ hasEnded: saidSo, pid }: Answer): boolean {
  return saidSo || hasEnded(pid)
}

function hasEnded(pid: number): boolean {
  try {
    return !process.kill(pid, 0)
  } catch {
    return true
  }
}

/** The site that this process launched last, where its services have mutants. */
export function mutatedSite(): MutatedSite | undefined {
  return (globalThis as { [place]?: MutatedSite })[place]
}

export function forgetMutatedSite(): void {
  ;(globalThis as { [place]?: MutatedSite | undefined })[place] = undefined
}
