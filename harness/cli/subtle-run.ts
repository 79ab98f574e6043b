import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { knownCauses, whyUnseen } from '../faults/explained.ts'
import { type Mutant, moduleHash, moduleSource } from '../faults/mutants.ts'
import { instrumented } from '../faults/mutator.ts'
import { type MutantOrder, trialsIn } from '../vitest/mutant-runner.ts'
import { runScenarios, type ScenarioRun } from './run-scenarios.ts'

/** What came of one mutant. */
export interface MutantOutcome {
  readonly id: string
  readonly guards: readonly string[]
  /** `survived`: every test that covers it held with it on. `unreached`: no test covers it, so nothing was tried. */
  readonly outcome: 'killed' | 'survived' | 'unreached'
  /** The test that failed with it on. */
  readonly by?: string
  /** How it failed, in a line. */
  readonly why?: string
  /** Nothing but the time that the test took says so, which a busy machine may say, too. */
  readonly isLate?: boolean
  /** Tests that held with it on. */
  readonly held: readonly string[]
  /** Of the module's text: the outcome holds for this and no other. */
  readonly hash: string
}

/** Outcomes of earlier runs in this folder: a run goes on where the one before ended. */
export class MutantStore {
  readonly #file = resolve('.holdfast', 'mutants.json')
  readonly #outcomes: Map<string, MutantOutcome>

  /** `isAfresh`: what they found is forgotten. */
  constructor(isAfresh = false) {
    const known =
      !isAfresh && existsSync(this.#file) ? (JSON.parse(readFileSync(this.#file, 'utf8')) as MutantOutcome[]) : []
    this.#outcomes = new Map(known.map((one) => [one.id, one]))
  }

  /** The outcome of a mutant whose module is as it was then. */
  of({ id, module }: Mutant): MutantOutcome | undefined {
    const found = this.#outcomes.get(id)
    return found?.hash === moduleHash(module) ? found : undefined
  }

  /** What held with a mutant before counts still; "covered by no test" is said where none ever was. */
  #withBefore(one: MutantOutcome): MutantOutcome {
    const before = this.#outcomes.get(one.id)
    if (before?.hash !== one.hash) return one
    const held = [...new Set([...before.held, ...one.held])]
    return { ...one, held, outcome: one.outcome === 'unreached' && held.length > 0 ? 'survived' : one.outcome }
  }

  add(outcomes: readonly MutantOutcome[]): void {
    for (const one of outcomes) this.#outcomes.set(one.id, this.#withBefore(one))
    mkdirSync(dirname(this.#file), { recursive: true })
    writeFileSync(this.#file, JSON.stringify([...this.#outcomes.values()]))
  }
}

/** Tests of up to 2 s first, as most mutants end there; then those that wait, of which few can be tried: none for what nobody is to see. */
const passes = [
  { longestMs: 2_000, mostTries: 250, waits: false },
  { longestMs: 20_000, mostTries: 30, waits: true },
] as const
type Pass = (typeof passes)[number]

/** Mutants in the services at a time; more would make their modules slow. */
const atOnce = 1_500

/** Tries mutants, and tells what came of each: `keep` is given what is known after each pass, and the tests that failed without any. */
export async function tryMutants(
  mutants: readonly Mutant[],
  run: ScenarioRun,
  heldBefore: (mutant: Mutant) => readonly string[],
  keep: (outcomes: readonly MutantOutcome[], red: readonly string[]) => void,
): Promise<void> {
  for (let from = 0; from < mutants.length; from += atOnce) {
    const some = mutants.slice(from, from + atOnce).map((mutant, at) => ({ ...mutant, number: at + 1 }))
    const folder = mutantFolder(some)
    try {
      for (const pass of passes) {
        if (run.signal.aborted) break
        writeOrder(folder, some, pass, heldBefore)
        const source = (text: string) => pass.waits || !/\bwaits: true\b/.test(text)
        await runScenarios({ ...run, mutants: folder, source }).finally(() => {
          const red = trialsIn(folder).filter(({ outcome }) => outcome === 'red')
          keep(outcomesOf(some, folder), [
            ...new Set(red.map(({ test, why }) => (why === undefined ? test : `${test}: ${why}`))),
          ])
        })
      }
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  }
}

function mutantFolder(mutants: readonly Mutant[]): string {
  mkdirSync(resolve('.holdfast'), { recursive: true })
  const folder = mkdtempSync(resolve('.holdfast', 'mutants-'))
  for (const own of Map.groupBy(mutants, ({ service, module }) => join(service, module)).values()) {
    const { service, module } = own[0]!
    const file = join(folder, 'services', service, module)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, instrumented(moduleSource(module), own, 'globalThis.holdfastMutant'))
  }
  return folder
}

function writeOrder(
  folder: string,
  mutants: readonly Mutant[],
  { longestMs, mostTries, waits }: Pass,
  heldBefore: (mutant: Mutant) => readonly string[],
): void {
  const causes = knownCauses()
  const order: MutantOrder = {
    longestMs,
    mostTries,
    before: trialsIn(folder).length,
    mutants: mutants
      .filter((one) => !waits || whyUnseen(one, causes) === undefined)
      .map((one) => ({ number: one.number, guards: one.guards, held: heldBefore(one) })),
  }
  writeFileSync(join(folder, 'mutants.json'), JSON.stringify(order))
}

function outcomesOf(mutants: readonly Mutant[], folder: string): MutantOutcome[] {
  const trials = Map.groupBy(trialsIn(folder), ({ number }) => number)
  return mutants.map(({ id, number, guards, module }) => {
    const own = trials.get(number) ?? []
    const kill = own.find(({ outcome }) => outcome === 'killed')
    const held = [...new Set(own.flatMap(({ outcome, test }) => (outcome === 'passed' ? [test] : [])))]
    const known = { id, guards, held, hash: moduleHash(module) }
    if (kill === undefined) return { ...known, outcome: held.length > 0 ? 'survived' : 'unreached' }
    return {
      ...known,
      outcome: 'killed',
      by: kill.test,
      ...(kill.isLate && { isLate: true }),
      ...(kill.why !== undefined && { why: kill.why.slice(0, 500) }),
    }
  })
}
