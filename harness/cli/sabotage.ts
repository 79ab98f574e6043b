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
  isAsKnown,
  nameOf,
  redBeforehand,
  runWithoutInChild,
  type SabotageReport,
  sabotageEach,
} from './sabotage-run.ts'

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
    if (!isAsKnown(report)) process.exitCode = exitCode.failed
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

function tell(told: GuardOutcome): void {
  const { guard, outcome, by, ms } = told
  const word = wordOf(told)
  const text = outcome === 'killed' ? `${word === 'seen' ? 'explained, and ' : ''}killed by ${by}` : word
  printPhase(word === 'killed' || word === 'explained' ? 'done' : 'failed', guard, `${text}  ${seconds(ms)}`)
}

type Word = GuardOutcome['outcome'] | 'explained' | 'seen'

/** `explained`: it survived, as it should. `seen`: it should have, and was killed. */
function wordOf({ outcome, because }: GuardOutcome): Word {
  if (because === undefined || outcome === 'broken') return outcome
  return outcome === 'survived' ? 'explained' : 'seen'
}

function listing({ uses }: GuardCoverage): string {
  const rows = uses.map((use) => {
    const [first = 'nothing', ...more] = use.scenarios
    return [nameOf(use), `${first}${more.length > 0 ? ` +${more.length}` : ''}`]
  })
  return table(['guard', 'provoked by'], rows)
}

/** One row for each guard: what became of it, by which scenario, and how that failed; or why nobody can see that it is gone. */
export function outcomesText({ outcomes }: SabotageReport): string {
  const rows = outcomes.map((one) => {
    const { guard, by = '-', why, because } = one
    const word = wordOf(one)
    if (word === 'seen') return [guard, word, `${by}  (explained as what nobody can see: ${because})`]
    return [guard, word, `${by}  (${word === 'explained' ? because : why})`]
  })
  return table(['guard', 'outcome', 'first scenario that failed'], rows)
}

/** `kill score 37 of 40 · explained: orchestrator/peer.tls · survived: orchestrator/peer.rate · broken: orchestrator/start.config`. */
export function scoreLine(report: SabotageReport): string {
  const named = (word: Word, colour: 'red' | 'bold' = 'red'): string[] => {
    const names = report.outcomes.filter((one) => wordOf(one) === word).map(({ guard }) => guard)
    return names.length === 0 ? [] : [paint(colour, `${word}: ${names.join(', ')}`)]
  }
  return [
    paint(isAsKnown(report) ? 'green' : 'bold', `kill score ${report.killed} of ${report.guards}`),
    ...named('explained', 'bold'),
    ...named('survived'),
    ...named('seen'),
    ...named('broken'),
  ].join(' · ')
}
