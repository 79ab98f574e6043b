import { Command } from 'commander'
import type { GuardCoverage } from '../evidence/coverage.ts'
import { exitCode } from './exit-code.ts'
import { interruptible } from './interruption.ts'
import { backendOption, type CommonOptions, chosenBackend, jsonOption, setOption } from './options.ts'
import { paint, plural, printJson, printPhase, printResult, seconds, table } from './output.ts'
import type { ScenarioRun } from './run-scenarios.ts'
import type { GuardOutcome, SabotageReport } from './sabotage-run.ts'

interface Options extends CommonOptions {
  guard: string[]
  list?: boolean
}

/** Each run has a site of its own, which keeps a core busy while it comes up. */
const atOnce = 3

export function sabotage(): Command {
  return new Command('sabotage')
    .description('Take each guard out of its service in turn: the scenarios that cover it must fail.')
    .argument('[filter...]', 'name of a topology, or part of a scenario’s path; all scenarios when none is given')
    .option('--guard <service/guard>', 'only this guard; may be repeated', (name, all: string[]) => [...all, name], [])
    .option('--list', 'run nothing without a guard: only list them, with the scenarios that cover each')
    .addOption(backendOption())
    .addOption(setOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Examples:
  npx holdfast sabotage                                        every guard of every service
  npx holdfast sabotage separate-auth                          by the scenarios of one topology
  npx holdfast sabotage --guard orchestrator/token.binding     one guard only

First all scenarios run with every guard in place; that shows which of them provoke which guard. A guard counts as
killed when a scenario then says that what it expects does not hold; a site that does not come up proves nothing.`,
    )
    .action(async (filters: string[], options: Options) => {
      const report = await interruptible((signal) =>
        run(options, { filters, backend: chosenBackend(options), set: options.set, signal }),
      )
      if (report !== undefined && report.killed < report.guards) process.exitCode = exitCode.failed
    })
}

async function run(options: Options, common: ScenarioRun): Promise<SabotageReport | undefined> {
  const [{ runScenarios }, { chosenGuards, RedBeforehand, runWithoutInChild, sabotageEach }] = await Promise.all([
    import('./run-scenarios.ts'),
    import('./sabotage-run.ts'),
  ])
  const baseline = await runScenarios(common)
  const { guards } = baseline
  if (baseline.failed > 0 || guards === undefined) throw new RedBeforehand(baseline)
  if (options.list) {
    if (options.json) printJson(guards)
    else printResult(listing(guards))
    return undefined
  }
  const uses = chosenGuards(guards, options.guard)
  printPhase('done', 'sabotage', `${plural(uses.length, 'guard')}, each taken out in turn`)
  const report = await sabotageEach(uses, runWithoutInChild(common), { atOnce, signal: common.signal, onOutcome: tell })
  if (options.json) printJson(report)
  else printResult(`${outcomesText(report)}\n\n${scoreLine(report)}`)
  return report
}

function tell({ guard, outcome, by, ms }: GuardOutcome): void {
  const text = outcome === 'killed' ? `killed by ${by}` : outcome
  printPhase(outcome === 'killed' ? 'done' : 'failed', guard, `${text}  ${seconds(ms)}`)
}

function listing({ uses }: GuardCoverage): string {
  const rows = uses.map(({ service, guard, scenarios }) => {
    const [first, ...more] = scenarios
    return [
      `${service}/${guard}`,
      first === undefined ? 'nothing' : `${first}${more.length > 0 ? ` +${more.length}` : ''}`,
    ]
  })
  return table(['guard', 'provoked by'], rows)
}

/** One row for each guard: what became of it, by which scenario, and how that failed. */
export function outcomesText({ outcomes }: SabotageReport): string {
  const rows = outcomes.map(({ guard, outcome, by, why }) => [guard, outcome, `${by ?? '-'}  (${why})`])
  return table(['guard', 'outcome', 'first scenario that failed'], rows)
}

/** `kill score 37 of 39 · survived: orchestrator/peer.rate · broken: orchestrator/start.config`. */
export function scoreLine({ killed, guards, outcomes }: SabotageReport): string {
  const named = (outcome: GuardOutcome['outcome']): string[] => {
    const names = outcomes.filter((one) => one.outcome === outcome).map(({ guard }) => guard)
    return names.length === 0 ? [] : [paint('red', `${outcome}: ${names.join(', ')}`)]
  }
  return [
    paint(killed === guards ? 'green' : 'bold', `kill score ${killed} of ${guards}`),
    ...named('survived'),
    ...named('broken'),
  ].join(' · ')
}
