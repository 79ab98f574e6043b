import { dirname, relative } from 'node:path'
import type { Command } from 'commander'
import { findingText } from '../credentials/finding.ts'
import { coverageText } from '../evidence/coverage.ts'
import { interruptible } from './interruption.ts'
import { readLast } from './last-test.ts'
import type { CommonOptions } from './options.ts'
import { beQuiet, labelled, plural, printJson, printResult } from './output.ts'
import { judge, printTests, verdictLine } from './report-text.ts'
import { type AskedReport, isStdoutTaken, writeReports } from './reports.ts'
import { runScenarios, type ScenarioReport, type ScenarioRun } from './run-scenarios.ts'

type TestOptions = CommonOptions &
  Pick<ScenarioRun, 'at' | 'bail' | 'full' | 'name'> & {
    quiet?: boolean
    lastFailed?: boolean
    reporter?: readonly AskedReport[]
  }

export async function test(filters: string[], options: TestOptions, command: Command): Promise<void> {
  const { quiet, lastFailed, reporter } = options
  const isTaken = isStdoutTaken(options, command)
  if (quiet) beQuiet()
  const last = lastFailed ? await readLast() : undefined
  const chosen = last === undefined ? { filters } : { ...last, filters: filters.length > 0 ? filters : last.filters }
  const report = await interruptible((signal) => runScenarios({ ...options, ...chosen, signal }))
  judge(report)
  if (options.json) printJson(report)
  if (!isTaken) printReport(report, quiet)
  await writeReports(report, { reporter, isTaken })
}

function printReport(report: ScenarioReport, quiet?: boolean): void {
  printTests(report, { quiet, details: [preflightLines(report), proofLines(report), evidenceLines(report)] })
  // Where somebody's own service is judged, the guards of those around it are not what he asks about.
  const isOwn = report.weakerProofs.length > 0
  printResult(verdictLine(report, report.guards && !isOwn ? coverageText(report.guards) : undefined))
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
