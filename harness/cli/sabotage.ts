import { HoldfastError } from '../errors.ts'
import type { GuardCoverage } from '../evidence/coverage.ts'
import { compile } from '../shipped.ts'
import { loadTopology } from '../topology/load.ts'
import { isTopologyFile } from './choose-scenarios.ts'
import { foreignNodes } from './derived-scenarios.ts'
import { exitCode } from './failure.ts'
import { interruptible } from './interruption.ts'
import type { CommonOptions } from './options.ts'
import { paint, plural, printJson, printPhase, printResult, seconds, table } from './output.ts'
import { runScenarios } from './run-scenarios.ts'
import {
  chosenGuards,
  foreignText,
  type GuardOutcome,
  nameOf,
  redBeforehand,
  runWithoutInChild,
  sabotageEach,
} from './sabotage-run.ts'

type SabotageReport = Awaited<ReturnType<typeof sabotageEach>>

export interface SabotageOptions extends CommonOptions {
  guard: string[]
  list?: boolean
  /** Small changes inside of guards, in place of whole guards. */
  subtle?: boolean
  most?: number
  calls?: number
  file?: string
  afresh?: boolean
}

/** Each run has a site of its own, which keeps a core busy while it comes up. */
const atOnce = 3

export async function sabotage(filters: string[], options: SabotageOptions): Promise<void> {
  const { backend, set, json } = options
  await demandOwnServices(filters, set)
  if (options.subtle) return (await import('./subtle.ts')).subtleSabotage(filters, options)
  await interruptible(async (signal) => {
    const run = { filters, backend, set, signal }
    const baseline = await runScenarios(run)
    const { guards } = baseline
    if (baseline.failed > 0 || guards === undefined) throw redBeforehand(baseline)
    if (options.list) return json ? printJson(guards) : printResult(listing(guards))
    const uses = chosenGuards(guards, options.guard)
    const foreign = foreignText(guards)
    if (foreign !== undefined) printPhase('note', 'sabotage', foreign)
    printPhase('done', 'sabotage', `${plural(uses.length, 'guard')}, each taken out in turn`)
    const report = await sabotageEach(uses, runWithoutInChild(run), { atOnce, signal, onOutcome: tell })
    if (report.killed < report.guards) process.exitCode = exitCode.failed
    return json ? printJson(report) : printResult(`${outcomesText(report)}\n\n${scoreLine(report)}`)
  })
}

/** Guards are taken out of Holdfast's own services: of a gateway of somebody else's nobody knows where they are. */
async function demandOwnServices(filters: readonly string[], set: CommonOptions['set']): Promise<void> {
  for (const source of filters) {
    if (!(await isTopologyFile(source))) continue
    const foreign = foreignNodes(compile(await loadTopology(source, { set })))
    const why =
      foreign === undefined
        ? 'its guards are those of shipped services, which "npx holdfast sabotage" tries by the scenarios that are written down'
        : `${foreign.join(', ')} is a program of your own, and no guard of it is known here`
    throw new HoldfastError(
      'HOLDFAST_NOT_SUPPORTED',
      `nothing is taken out in ${source}: ${why}; to see a scenario fail, take a check out of the program and type npx holdfast test ${source}`,
    )
  }
}

function tell({ guard, outcome, by, ms }: GuardOutcome): void {
  const text = outcome === 'killed' ? `killed by ${by}` : outcome
  printPhase(outcome === 'killed' ? 'done' : 'failed', guard, `${text}  ${seconds(ms)}`)
}

function listing({ uses }: GuardCoverage): string {
  const rows = uses.map((use) => {
    const [first = 'nothing', ...more] = use.scenarios
    return [nameOf(use), `${first}${more.length > 0 ? ` +${more.length}` : ''}`]
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
