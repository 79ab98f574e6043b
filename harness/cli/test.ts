import { dirname, relative } from 'node:path'
import type { Command } from 'commander'
import type { BackendName } from '../backends/backend.ts'
import { findingText } from '../credentials/finding.ts'
import { coverageText } from '../evidence/coverage.ts'
import { settings } from '../settings.ts'
import { type GroundsReport, runOnGrounds } from './grounds.ts'
import { interruptible } from './interruption.ts'
import { readLast } from './last-test.ts'
import { type CommonOptions, namedBackends } from './options.ts'
import { beQuiet, labelled, plural, printJson, printResult } from './output.ts'
import { judge, judgeParity, parityLine, printTests, verdictLine, withoutAlike } from './report-text.ts'
import { type AskedReport, isStdoutTaken, writeReports } from './reports.ts'
import { runScenarios, type ScenarioReport, type ScenarioRun } from './run-scenarios.ts'

type TestOptions = Omit<CommonOptions, 'backend'> &
  Pick<ScenarioRun, 'at' | 'bail' | 'full' | 'name'> & {
    backend?: BackendName[]
    quiet?: boolean
    lastFailed?: boolean
    reporter?: readonly AskedReport[]
  }

export async function test(filters: string[], options: TestOptions, command: Command): Promise<void> {
  const { backend: named, quiet, lastFailed, reporter: _, ...asked } = options
  const isTaken = isStdoutTaken(options, command)
  if (quiet) beQuiet()
  const last = lastFailed ? await readLast() : undefined
  const chosen = last === undefined ? { filters } : { ...last, filters: filters.length > 0 ? filters : last.filters }
  const backends = named ?? last?.grounds ?? namedBackends(settings().backend, 'HOLDFAST_BACKEND')
  const report = await interruptible((signal) => runOn(backends, { ...asked, ...chosen, signal }))
  await tellReport(report, { ...options, isTaken })
}

/** Prints a verdict in all forms that were asked for, and says by the exit code whether anything failed. */
export async function tellReport(
  report: ScenarioReport | GroundsReport,
  { json, quiet, reporter, isTaken }: Pick<TestOptions, 'json' | 'quiet' | 'reporter'> & { isTaken: boolean },
): Promise<void> {
  judge(report)
  if ('parity' in report) judgeParity(report.parity)
  if (json) printJson(report)
  if (!isTaken) printReport(report, quiet)
  await writeReports(report, { reporter, isTaken })
}

function runOn(backends: readonly BackendName[], run: ScenarioRun): Promise<ScenarioReport | GroundsReport> {
  const [backend, ...others] = backends
  if (others.length === 0) return runScenarios({ ...run, backend })
  return runOnGrounds(
    backends.map((name) => ({ name, backend: name })),
    run,
  )
}

function printReport(report: ScenarioReport | GroundsReport, quiet?: boolean): void {
  const details = [preflightLines(report), proofLines(report), evidenceLines(report)]
  printTests('parity' in report ? withoutAlike(report) : report, { quiet, details })
  printResult('parity' in report ? groundLines(report) : verdictLine(report, guardsOf(report)))
}

/** Where somebody's own service is judged, the guards of those around it are not what he asks about. */
function guardsOf({ guards, weakerProofs }: Pick<ScenarioReport, 'guards' | 'weakerProofs'>): string | undefined {
  return guards && weakerProofs.length === 0 ? coverageText(guards) : undefined
}

/** A verdict for each ground, and the one on all of them together. */
function groundLines({ grounds, parity }: GroundsReport): string {
  const width = Math.max(...grounds.map(({ ground }) => ground.length), 'parity'.length) + 2
  const lines = grounds.map((one) => {
    const verdict = 'passed' in one ? verdictLine(one, guardsOf(one)) : `did not run: ${one.didNotRun}`
    return one.ground.padEnd(width) + verdict
  })
  return [...lines, 'parity'.padEnd(width) + parityLine(parity)].join('\n')
}

/** What is wrong with the data of the sites, each once: no result of a scenario, and often the cause of one. */
function preflightLines({ preflight }: ScenarioReport): string {
  const lines = [...Map.groupBy(preflight, findingText)].map(
    ([text, at]) => `preflight  ${text}  [${at.map(({ scenario }) => scenario).join(', ')}]`,
  )
  return lines.join('\n')
}

/** Each node that writes no decision records, so that nobody takes its verdicts for as good as the others. */
function proofLines({ weakerProofs }: ScenarioReport): string {
  return weakerProofs
    .map(({ node, proof, calls }) => `proof     ${node}: ${proof} (${plural(calls, 'call')})`)
    .join('\n')
}

/** Where the runs left what they saw; many of them are one folder. */
function evidenceLines({ runs }: ScenarioReport): string {
  const shown = runs.map((run) => relative('', run))
  const below = `${plural(runs.length, 'run')} below ${dirname(shown[0] ?? '')}`
  return labelled('evidence', runs.length > 3 ? [below] : shown, 10).join('\n')
}
