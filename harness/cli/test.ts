import { dirname, relative } from 'node:path'
import { findingText } from '../credentials/finding.ts'
import { coverageText } from '../evidence/coverage.ts'
import { interruptible } from './interruption.ts'
import type { CommonOptions } from './options.ts'
import { labelled, plural, printJson, printResult } from './output.ts'
import { judge, printTests, verdictLine } from './report-text.ts'
import { runScenarios, type ScenarioReport, type ScenarioRun } from './run-scenarios.ts'

type TestOptions = CommonOptions & Pick<ScenarioRun, 'at' | 'bail' | 'full'>

export async function test(filters: string[], options: TestOptions): Promise<void> {
  const report = await interruptible((signal) => runScenarios({ ...options, filters, signal }))
  judge(report)
  if (options.json) return printJson(report)
  printTests(report, [preflightLines(report), proofLines(report), evidenceLines(report)])
  printResult(verdictLine(report, report.guards && coverageText(report.guards)))
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
