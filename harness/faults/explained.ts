import { existsSync, readFileSync } from 'node:fs'
import type { Mutant } from './mutants.ts'

/** Why nobody can see that certain guards are gone, or certain mutants there: for each cause, which they are. */
interface Cause {
  readonly because: string
  /** `service/guard`, as a whole. */
  readonly guards?: readonly string[]
  readonly mutants?: readonly ExplainedMutant[]
}

interface ExplainedMutant {
  readonly module: string
  /** The line as it stands there, so that its number may be another one. */
  readonly line: string
  /** Names of changes (`prefix`), or whole ones (`dropped operand → cnf === undefined`). */
  readonly changes: readonly string[]
}

/** Beside the services: a package does not have it. */
const file = new URL('../../services/shared/survivors.json', import.meta.url)

export function knownCauses(): Cause[] {
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Cause[]) : []
}

type Place = Pick<Mutant, 'module' | 'lineText' | 'name' | 'change'>

/** Why nobody can see the mutant; undefined where it is expected to be killed. */
export function whyUnseen(mutant: Place, causes: readonly Cause[] = knownCauses()): string | undefined {
  const isIn = ({ mutants = [] }: Cause) =>
    mutants.some((one) => one.changes.some((change) => isOf(mutant, one, change)))
  return causes.find(isIn)?.because
}

/** Why nobody can see that a guard, `service/guard`, is gone; undefined where it is expected to be killed. */
export function whyUnmissed(guard: string, causes: readonly Cause[] = knownCauses()): string | undefined {
  return causes.find(({ guards = [] }) => guards.includes(guard))?.because
}

/** Guards that are explained and are none of these, which are all that there are. */
export function staleGuards(all: readonly string[], causes: readonly Cause[] = knownCauses()): string[] {
  return causes.flatMap(({ guards = [] }) => guards).filter((guard) => !all.includes(guard))
}

/** Explanations of what is not there any more: `MODULE: CHANGE in LINE`. */
export function staleExplanations(mutants: readonly Place[], causes: readonly Cause[] = knownCauses()): string[] {
  return causes
    .flatMap(({ mutants = [] }) => mutants)
    .flatMap((one) => one.changes.map((change) => ({ one, change })))
    .filter(({ one, change }) => !mutants.some((mutant) => isOf(mutant, one, change)))
    .map(({ one, change }) => `${one.module}: ${change} in ${one.line}`)
}

function isOf(mutant: Place, { module, line }: ExplainedMutant, change: string): boolean {
  return mutant.module === module && mutant.lineText === line && (mutant.name === change || mutant.change === change)
}
