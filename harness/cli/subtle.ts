import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { HoldfastError } from '../errors.ts'
import { declaredGuards, programsOf } from '../faults/declared-guards.ts'
import { knownCauses, whyUnseen } from '../faults/explained.ts'
import { type Mutant, mutantsOf } from '../faults/mutants.ts'
import { exitCode } from './failure.ts'
import { interruptible } from './interruption.ts'
import { paint, plural, printJson, printPhase, printResult } from './output.ts'
import type { SabotageOptions } from './sabotage.ts'
import { type MutantOutcome, MutantStore, tryMutants } from './subtle-run.ts'

/** Tries small changes inside of guards and of what they call, each by the tests that cover it. */
export async function subtleSabotage(filters: readonly string[], options: SabotageOptions): Promise<void> {
  const { backend, set, json, list } = options
  await interruptible(async (signal) => {
    const store = new MutantStore(options.afresh)
    const chosen = await chosenMutants(options)
    if (list) return json ? printJson(chosen) : printResult(chosen.map(({ id }) => id).join('\n'))
    const isDue = (mutant: Mutant) => store.of(mutant)?.outcome !== 'killed'
    const due = dueFirst(chosen.filter(isDue), store).slice(0, options.most)
    printPhase('working', 'mutants', `${due.length} to try, of ${chosen.length}`)
    const heldBefore = (mutant: Mutant) => store.of(mutant)?.held ?? []
    await tryMutants(due, { filters, backend, set, signal }, heldBefore, (outcomes, red) => {
      store.add(outcomes)
      for (const test of red) printPhase('failed', 'mutants', `without any mutant, so it shows nothing: ${test}`)
      printPhase('note', 'mutants', scoreLine(outcomes))
    })
    const causes = knownCauses()
    const outcomes = chosen.flatMap((mutant): ToldOutcome[] => {
      const outcome = store.of(mutant)
      return outcome === undefined ? [] : [{ ...outcome, because: whyUnseen(mutant, causes) }]
    })
    const report = { ...countsOf(outcomes), untried: chosen.length - outcomes.length, outcomes }
    const isAsKnown = outcomes.every(({ outcome, because }) => {
      return outcome === 'unreached' || (outcome === 'survived') === (because !== undefined)
    })
    process.exitCode = isAsKnown ? 0 : exitCode.failed
    return json ? printJson(report) : printResult(reportText(outcomes, report.untried))
  })
}

/** An outcome, with the reason why nobody can see the mutant, where it is known for one. */
export type ToldOutcome = MutantOutcome & { readonly because?: string | undefined }

/** Those that no run has tried come before those that a run did not kill; among them, the nearest to a guard. */
function dueFirst(mutants: readonly Mutant[], store: MutantStore): Mutant[] {
  const rank = (one: Mutant) => (store.of(one) === undefined ? 0 : 10) + one.calls
  return mutants.toSorted((a, b) => rank(a) - rank(b))
}

/** @throws HoldfastError `HOLDFAST_GUARD_UNKNOWN` */
async function chosenMutants({ guard: named, file, calls = Infinity }: SabotageOptions): Promise<Mutant[]> {
  const all = (await Promise.all(servicesHere().map(mutantsOfService))).flat()
  const unknown = named.find((name) => !all.some((mutant) => isOf(mutant, [name])))
  if (unknown !== undefined) {
    const message = `nothing here can be changed in the guard "${unknown}"; "npx holdfast sabotage --list" names them all`
    throw new HoldfastError('HOLDFAST_GUARD_UNKNOWN', message)
  }
  const wanted = all.filter((mutant) => mutant.calls <= calls && (file === undefined || mutant.module.includes(file)))
  return named.length === 0 ? wanted : wanted.filter((mutant) => isOf(mutant, named))
}

function isOf({ service, guards }: Mutant, named: readonly string[]): boolean {
  return guards.some((guard) => named.includes(`${service}/${guard}`))
}

async function mutantsOfService(service: string): Promise<Mutant[]> {
  const declared = await Promise.all(programsOf(service).map((program) => declaredGuards(program)))
  const guards = Object.entries<readonly string[]>(Object.assign({}, ...declared))
  return mutantsOf(
    guards.map(([guard, reasons]) => {
      return { service, guard, scenarios: [], reasons: reasons.map((name) => ({ name, scenarios: [] })) }
    }),
  )
}

function servicesHere(): string[] {
  const entries = readdirSync(fileURLToPath(new URL('../../services/', import.meta.url)), { withFileTypes: true })
  return entries.filter((entry) => entry.isDirectory() && entry.name !== 'shared').map(({ name }) => name)
}

function countsOf(outcomes: readonly ToldOutcome[]) {
  const count = (wanted: MutantOutcome['outcome']) => outcomes.filter(({ outcome }) => outcome === wanted).length
  const explained = outcomes.filter(({ outcome, because }) => outcome === 'survived' && because !== undefined).length
  const late = outcomes.filter(({ isLate }) => isLate).length
  return { killed: count('killed'), late, survived: count('survived'), explained, unreached: count('unreached') }
}

/** `kill score 95.4 %: 481 of 504, 2 by time alone · 23 survive, 23 of them explained · 3 covered by no test`. */
export function scoreLine(outcomes: readonly ToldOutcome[]): string {
  const { killed, late, survived, explained, unreached } = countsOf(outcomes)
  const tried = killed + survived
  if (tried === 0) return ['no mutant was tried', ...uncovered(unreached)].join(' · ')
  const score = `kill score ${((100 * killed) / tried).toFixed(1)} %: ${killed} of ${tried}`
  return [
    late === 0 ? score : `${score}, ${late} by time alone`,
    ...(survived === 0 ? [] : [`${survived} survive, ${explained} of them explained`]),
    ...uncovered(unreached),
  ].join(' · ')
}

function uncovered(count: number): string[] {
  return count === 0 ? [] : [`${count} covered by no test`]
}

/** Each survivor that is not explained, with its place, what was changed, and how many tests held; what is explained and was killed; then the score. */
export function reportText(outcomes: readonly ToldOutcome[], untried: number): string {
  const survivors = outcomes.filter(({ outcome, because }) => outcome === 'survived' && because === undefined)
  const told = survivors.map(
    ({ id, guards, held }) =>
      `survived  ${id}\n          ${guards.join(', ')}; held: ${plural(held.length, 'test')}, ${held[0]}`,
  )
  const seen = outcomes.filter(({ outcome, because }) => outcome === 'killed' && because !== undefined)
  told.push(
    ...seen.map(({ id, by }) => `seen      ${id}\n          explained as what nobody can see, and killed by ${by}`),
  )
  const score = paint(told.length === 0 ? 'green' : 'bold', scoreLine(outcomes))
  const rest = untried === 0 ? '' : ` · ${untried} not tried yet`
  return [...told, ...(told.length > 0 ? [''] : []), `${score}${rest}`].join('\n')
}
