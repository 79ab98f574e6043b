import { relative } from 'node:path'
import {
  coverageText,
  type GuardCoverage,
  guardCoverage,
  uncoveredGuards,
  uncoveredReasons,
} from '../harness/evidence/coverage.ts'
import { historyFile } from '../harness/evidence/history.ts'
import { declaredGuards } from '../harness/faults/declared-guards.ts'
import { type Outcome, root } from './check.ts'
import { UNPROVOKED } from './unprovoked.ts'

/** A guard or a reason that no scenario provokes could be missing, and nobody would know: that is a failure. */
export async function guardsAreProvoked(sites: NonNullable<Outcome['sites']>): Promise<Outcome> {
  const began = Date.now()
  const name = 'Every guard and every reason is provoked by a scenario'
  const evidence = sites.map(({ file, folder }) => ({ file: relative(root, file), folder }))
  const coverage = await guardCoverage(evidence, declaredGuards)
  const { mistakes, excepted } = judge(coverage, UNPROVOKED)
  const failed = mistakes.length > 0 ? [{ name, reason: mistakes.join('\n') }] : []
  const output = [coverageText(coverage) ?? 'no service of ours was in a scenario', ...mistakes, ...excepted].join('\n')
  return {
    name,
    passed: 1 - failed.length,
    failed,
    skipped: [],
    files: [],
    telling: true,
    ms: Date.now() - began,
    output,
  }
}

/** What is wrong with a coverage, and what may be missing from it, in words. Where runs have no record, that alone is said. */
export function judge(
  coverage: GuardCoverage,
  exceptions: Readonly<Record<string, string>>,
): { mistakes: string[]; excepted: string[] } {
  if (coverage.unrecorded.length > 0) {
    const runs = coverage.unrecorded.map(({ file, folder }) => `${file} in ${folder}`).join(', ')
    const way = 'their workers died, and what they provoked is not known: run these again first'
    return { mistakes: [`HOLDFAST_RECORD_MISSING: no plan.json or ${historyFile} of ${runs}; ${way}`], excepted: [] }
  }
  const missing = uncoveredReasons(coverage)
  const known = (reason: string): boolean => Object.hasOwn(exceptions, reason)
  const isExcepted = (guard: string): boolean => {
    const reasons = missing.filter((reason) => reason.startsWith(`${guard} `))
    return reasons.length > 0 && reasons.every(known)
  }
  return {
    mistakes: [
      ...(coverage.guards.declared === 0 ? ['no service declares a guard'] : []),
      ...uncoveredGuards(coverage)
        .filter((guard) => !isExcepted(guard))
        .map((guard) => `${guard} refused nothing in any scenario`),
      ...missing.filter((reason) => !known(reason)).map((reason) => `not provoked: ${reason}`),
      ...coverage.undeclared.map((refusal) => `${refusal} is a refusal that its service does not declare`),
      ...Object.keys(exceptions)
        .filter((reason) => !missing.includes(reason))
        .map((reason) => `excepted, but provoked or not declared: ${reason}`),
    ],
    excepted: missing.filter(known).map((reason) => `excepted: ${reason} (${exceptions[reason]})`),
  }
}
