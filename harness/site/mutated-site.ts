import { randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { HoldfastError } from '../errors.ts'
import type { Environments } from '../faults/sabotage.ts'
import { referenceService } from '../topology/holders.ts'
import type { Plan } from '../topology/plan.ts'
import { until } from './until.ts'

/** A unit of a service that is to be mutated does not answer: it has stopped, or hangs. Code `HOLDFAST_MUTANT_UNANSWERED`. */
export class MutantUnanswered extends HoldfastError {
  constructor(unit: string, cause: unknown) {
    super('HOLDFAST_MUTANT_UNANSWERED', `${unit}: it did not take a mutant on or off`, { cause })
  }
}

/** What the units of a service came to since the mutant before was switched. */
export interface Seen {
  readonly reached: ReadonlySet<number>
  readonly refused: ReadonlySet<string>
  /** Units that have ended: a test stops some. */
  readonly gone: ReadonlySet<string>
}

const place = Symbol.for('holdfast: the site whose services have mutants')
const withinMs = 8_000

/** The mutants of one site: which is on, and what its units came to. */
export class MutatedSite {
  readonly #folder: string
  /** Units that have mutants, by `node/unit`, with the folder of those of their service. */
  readonly #units: ReadonlyMap<string, string>
  #turn = 1

  /** Ends the site: the next test gets a new one. */
  readonly renew: () => Promise<void>

  constructor(folder: string, plan: Plan, renew: () => Promise<void>) {
    this.renew = renew
    const services = readdirSync(join(folder, 'services'))
    const units = Object.values(plan.nodes).flatMap((node) =>
      node.units.map((unit) => ({ unit, at: `${node.name}/${unit.name}` })),
    )
    this.#units = new Map(
      units.flatMap(({ unit, at }) => {
        const service = services.find((name) => name === referenceService(unit))
        return service === undefined ? [] : [[at, join(folder, 'services', service)] as const]
      }),
    )
    this.#folder = join(folder, 'sites', randomUUID())
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 })
    this.#write(0)
    ;(globalThis as { [place]?: MutatedSite | undefined })[place] = this
  }

  /** Environment of those units, over what they get anyway. */
  environment(given: Environments = {}): Environments {
    const hook = new URL('../faults/mutation.mjs', import.meta.url).href
    const mutated = [...this.#units].map(([unit, modules]) => {
      const own = given[unit]
      const options = own?.NODE_OPTIONS ?? given[unit.split('/')[0]!]?.NODE_OPTIONS ?? ''
      const added = {
        NODE_OPTIONS: `${options} --import ${hook}`.trim(),
        HOLDFAST_MUTANTS: modules,
        HOLDFAST_MUTATED_SITE: this.#folder,
        HOLDFAST_MUTATED_UNIT: this.#answerOf(unit),
      }
      return [unit, { ...own, ...added }]
    })
    return { ...given, ...Object.fromEntries(mutated) }
  }

  /** Switches a mutant on, 0 for none; answers what all units came to before that still run. @throws MutantUnanswered */
  async switchTo(number: number): Promise<Seen> {
    this.#turn += 1
    this.#write(number)
    const answers = await Promise.all([...this.#units.keys()].map((unit) => this.#answered(unit)))
    const alive = answers.filter(({ turn }) => turn === this.#turn)
    return {
      reached: new Set(alive.flatMap(({ reached }) => reached)),
      refused: new Set(alive.flatMap(({ refused }) => refused)),
      gone: new Set([...this.#units.keys()].filter((_, at) => answers[at]!.turn !== this.#turn)),
    }
  }

  async #answered(unit: string) {
    type Answer = { turn: number; pid: number; reached: number[]; refused: string[] }
    let answer: Answer | undefined
    const hasAnswered = () => {
      const file = this.#answerOf(unit)
      answer = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined
      return answer !== undefined && (answer.turn === this.#turn || hasEnded(answer.pid))
    }
    await until(`${unit} answers`, hasAnswered, { withinMs, everyMs: 5 }).catch((cause: unknown) => {
      throw new MutantUnanswered(unit, cause)
    })
    return answer!
  }

  #answerOf(unit: string): string {
    return join(this.#folder, `${unit.replace('/', '-')}.json`)
  }

  #write(number: number): void {
    const file = join(this.#folder, 'switch')
    writeFileSync(`${file}.part`, `${this.#turn} ${number}`)
    renameSync(`${file}.part`, file)
  }
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
