import { dirname, relative } from 'node:path'
import { Command } from 'commander'
import { findingText } from '../credentials/finding.ts'
import { exitCode } from './exit-code.ts'
import { failureGroups } from './failure-groups.ts'
import { interruptible } from './interruption.ts'
import {
  atOption,
  backendOption,
  type CommonOptions,
  chosenBackend,
  jsonOption,
  keepOption,
  setOption,
} from './options.ts'
import { plural, printJson, printResult } from './output.ts'
import { provenLine } from './proven-text.ts'
import type { ScenarioReport } from './run-scenarios.ts'
import { verdictLine } from './verdict.ts'

export function test(): Command {
  return new Command('test')
    .description(
      'Run scenarios, and what follows from a topology; end with a verdict: passed, failed, did not run and why.',
    )
    .argument(
      '[filter...]',
      'part of a scenario’s path, or a topology by its name or the path of its file; all scenarios when none is given',
    )
    .addOption(backendOption())
    .addOption(setOption())
    .addOption(keepOption('hold the site of a failed scenario until you end it, and say how to reach it'))
    .addOption(atOption())
    .option('--bail', 'end the run at the first failed test')
    .option('--full', 'try every cell of a matrix, not one of each class')
    .addOption(jsonOption('print the verdict as one JSON value'))
    .addHelpText(
      'after',
      `
Examples:
  npx holdfast test                                     every *.scenario.ts below this folder
  npx holdfast test separate-auth                       those of one topology
  npx holdfast test ./lab.json                          a topology of your own: its matrix, the attacks, its scenarios
  npx holdfast test stolen --set nodes=4 --keep         those with "stolen" in their path
  npx holdfast test --at +30d                           all of them, as they will be in 30 days
  npx holdfast test --json > verdict.json

A failed scenario tells what was expected, what was received, and where its evidence lies. What this machine cannot
run is counted apart, with the reason; it never counts as passed. The verdict ends with the guards of the services
that refused something; --json lists each with the scenarios that provoked it.`,
    )
    .action(async (filters: string[], options: CommonOptions & { at?: number; bail?: boolean; full?: boolean }) => {
      const [{ runScenarios }, { coverageText }] = await Promise.all([
        import('./run-scenarios.ts'),
        import('../evidence/coverage.ts'),
      ])
      const report = await interruptible((signal) =>
        runScenarios({ ...options, filters, backend: chosenBackend(options), signal }),
      )
      if (options.json) printJson(report)
      else {
        for (const result of report.scenarios) if (result.state === 'passed') printResult(provenLine(result))
        for (const { failure } of report.scenarios) if (failure !== undefined) printResult(`\n${failure}`)
        const found = preflightLines(report.preflight)
        if (found.length > 0) printResult(['', ...found].join('\n'))
        if (report.weakerProofs.length > 0) printResult(`\n${proofLines(report.weakerProofs)}`)
        if (report.runs.length > 0) printResult(`\n${evidenceLines(report.runs)}`)
        printGroups(report)
        printResult(verdictLine(report, report.guards && coverageText(report.guards)))
      }
      // Nothing proven is no success either.
      if (report.failed > 0 || report.passed === 0) process.exitCode = exitCode.failed
    })
}

/** Below the details, where it is seen first. */
function printGroups({ scenarios }: ScenarioReport): void {
  const groups = failureGroups(scenarios)
  if (groups.length > 0) printResult(`\n${groups.join('\n')}`)
}

/** What is wrong with the data of the sites, each once: no result of a scenario, and often the cause of one. */
function preflightLines(found: ScenarioReport['preflight']): string[] {
  const scenarios = Map.groupBy(found, findingText)
  return [...scenarios].map(([text, at]) => `preflight  ${text}  [${at.map(({ scenario }) => scenario).join(', ')}]`)
}

/** Each node that writes no decision records, so that nobody takes its verdicts for as good as the others. */
function proofLines(weaker: ScenarioReport['weakerProofs']): string {
  return weaker.map(({ node, proof, calls }) => `proof     ${node}: ${proof} (${plural(calls, 'call')})`).join('\n')
}

/** Where the runs left what they saw; many of them are one folder. */
function evidenceLines(runs: readonly string[]): string {
  if (runs.length > 3)
    return `evidence  ${plural(runs.length, 'run')} below ${relative(process.cwd(), dirname(runs[0]!))}`
  return runs
    .map((run, index) => `${index === 0 ? 'evidence' : '        '}  ${relative(process.cwd(), run)}`)
    .join('\n')
}
