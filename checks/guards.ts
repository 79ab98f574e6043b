import { relative } from 'node:path'
import { coverageText, guardCoverage, uncoveredGuards, uncoveredReasons } from '../harness/evidence/coverage.ts'
import { declaredGuards } from '../harness/faults/declared-guards.ts'
import { type Outcome, root } from './check.ts'

/** A guard that no scenario provokes could be missing, and nobody would know: that is a failure. Reasons are only listed. */
export async function guardsAreProvoked(sites: NonNullable<Outcome['sites']>): Promise<Outcome> {
  const began = Date.now()
  const name = 'Every guard is provoked by a scenario'
  const evidence = sites.map(({ file, folder }) => ({ file: relative(root, file), folder }))
  const coverage = await guardCoverage(evidence, declaredGuards)
  const missing = uncoveredGuards(coverage)
  const failed = missing.length > 0 || coverage.undeclared.length > 0 || coverage.guards.declared === 0 ? [name] : []
  const output = [
    coverageText(coverage) ?? 'no service of ours was in a scenario',
    ...missing.map((guard) => `${guard} refused nothing in any scenario`),
    ...coverage.undeclared.map((refusal) => `${refusal} is a refusal that its service does not declare`),
    ...uncoveredReasons(coverage).map((reason) => `not provoked: ${reason}`),
  ].join('\n')
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
