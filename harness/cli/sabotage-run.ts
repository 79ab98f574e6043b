import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { stripVTControlCharacters } from 'node:util'
import { HoldfastError } from '../errors.ts'
import type { GuardCoverage, GuardUse } from '../evidence/coverage.ts'
import { whyUnmissed } from '../faults/explained.ts'
import { userEnvironment } from '../settings.ts'
import { spawnHoldfast } from './options.ts'
import { plural } from './output.ts'
import type { ScenarioReport, ScenarioResult, ScenarioRun } from './run-scenarios.ts'

/** What came of taking one guard out. */
export interface GuardOutcome {
  /** `orchestrator/token.binding`. */
  readonly guard: string
  /**
   * `killed`: a scenario said that its expectation did not hold. `survived`: every scenario stayed green, or none covers the
   * guard. `broken`: something failed otherwise (a site did not come up, a service crashed), so nothing was judged.
   */
  readonly outcome: 'killed' | 'survived' | 'broken'
  /** The scenario and test that turned red first. */
  readonly by?: string
  /** One line: how that failed, or why there is no answer. */
  readonly why: string
  /** Why nobody can see that it is gone, where that is known of it: then it is expected to survive, and a kill is a finding. */
  readonly because?: string
  readonly ms: number
}

export type SabotageReport = Awaited<ReturnType<typeof sabotageEach>>

/** Runs scenario files against services without `guard`, and answers their report. Replaced in tests. */
export type RunWithout = (guard: string, files: readonly string[]) => Promise<ScenarioReport>

/** Scenarios that fail by themselves cannot show what a guard is for. */
export function redBeforehand(report: ScenarioReport): HoldfastError {
  const [first, ...more] = report.scenarios.filter(({ state }) => state === 'failed')
  const others = more.length > 0 ? ` and ${more.length} more` : ''
  const why = first === undefined ? 'no scenario ran on a site' : `${first.scenario}: ${first.name}${others} failed`
  return new HoldfastError(
    'HOLDFAST_SABOTAGE_RED',
    `with all guards in place, ${why}; mend that first: "npx holdfast test" shows it. Nothing was taken out`,
  )
}

/**
 * The guards that are to be taken out: all of our services, or those that were named.
 *
 * @throws HoldfastError `HOLDFAST_GUARD_UNKNOWN`, or `HOLDFAST_NOT_SUPPORTED` where a program of somebody else would have to lose one
 */
export function chosenGuards({ uses }: GuardCoverage, named: readonly string[]): readonly GuardUse[] {
  const own = uses.filter(({ isForeign }) => isForeign !== true)
  if (named.length === 0) return own
  return named.map((name) => {
    const found = uses.find((use) => nameOf(use) === name)
    if (found !== undefined && own.includes(found)) return found
    if (found === undefined) {
      const message = `no service here has the guard "${name}"; "npx holdfast sabotage --list" names them all`
      throw new HoldfastError('HOLDFAST_GUARD_UNKNOWN', message)
    }
    const message = `${name} is of a program that is not ours, and stays in it; name a guard of one of Holdfast's own services`
    throw new HoldfastError('HOLDFAST_NOT_SUPPORTED', message)
  })
}

/** `5 guards of nats-server are not of our services, and stay`; undefined where all are ours. */
export function foreignText({ uses }: GuardCoverage): string | undefined {
  const foreign = uses.filter(({ isForeign }) => isForeign === true)
  const whose = [...new Set(foreign.map(({ service }) => service))].join(', ')
  return foreign.length === 0
    ? undefined
    : `${plural(foreign.length, 'guard')} of ${whose}: not of our services, left in`
}

export function nameOf({ service, guard }: GuardUse): string {
  return `${service}/${guard}`
}

/** Takes each guard out in turn, `atOnce` of them side by side, and tells `onOutcome` of each as it ends. */
export async function sabotageEach(
  uses: readonly GuardUse[],
  runWithout: RunWithout,
  options: {
    atOnce: number
    signal: AbortSignal
    onOutcome: (outcome: GuardOutcome) => void
    /** Why a guard survives, where that is known. Default: what is written beside the services. */
    whySurvives?: (guard: string) => string | undefined
  },
) {
  const { whySurvives = (guard: string) => whyUnmissed(guard) } = options
  const waiting = [...uses]
  const outcomes = new Map<string, GuardOutcome>()
  const worker = async (): Promise<void> => {
    for (let use = waiting.shift(); use !== undefined && !options.signal.aborted; use = waiting.shift()) {
      const because = whySurvives(nameOf(use))
      const outcome = { ...(await sabotageOne(use, runWithout)), ...(because !== undefined && { because }) }
      outcomes.set(outcome.guard, outcome)
      if (!options.signal.aborted) options.onOutcome(outcome)
    }
  }
  await Promise.all(Array.from({ length: options.atOnce }, worker))
  const inOrder = uses.flatMap((use) => outcomes.get(nameOf(use)) ?? [])
  const killed = inOrder.filter(({ outcome }) => outcome === 'killed').length
  const explained = inOrder.filter((one) => one.outcome === 'survived' && one.because !== undefined).length
  return { killed, explained, guards: uses.length, outcomes: inOrder }
}

/** Every guard was killed, but for those of which it is known why they survive, and they did. */
export function isAsKnown({ guards, outcomes }: SabotageReport): boolean {
  const isExpected = ({ outcome, because }: GuardOutcome) => outcome === (because === undefined ? 'killed' : 'survived')
  return outcomes.length === guards && outcomes.every(isExpected)
}

async function sabotageOne(use: GuardUse, runWithout: RunWithout): Promise<GuardOutcome> {
  const guard = nameOf(use)
  const began = performance.now()
  const answer = (outcome: GuardOutcome['outcome'], why: string, by?: string): GuardOutcome => {
    return { guard, outcome, why, ms: Math.round(performance.now() - began), ...(by === undefined ? {} : { by }) }
  }
  const [first, ...rest] = use.scenarios
  if (first === undefined) return answer('survived', 'no scenario provokes it')
  let broken: GuardOutcome | undefined
  // The scenario that is about little else mostly kills it, and spares the others.
  for (const files of rest.length === 0 ? [[first]] : [[first], rest]) {
    const report = await runWithout(guard, files).catch((failure: Error) => failure)
    if (report instanceof Error) {
      broken ??= answer('broken', oneLine(report.message))
      continue
    }
    const failed = report.scenarios.filter(({ state }) => state === 'failed')
    const kill = failed.find(({ cause }) => cause === 'assertion')
    if (kill !== undefined) return answer('killed', howItFailed(kill), `${kill.scenario}: ${kill.name}`)
    const [other] = failed
    if (other !== undefined) broken ??= answer('broken', howItFailed(other), `${other.scenario}: ${other.name}`)
  }
  if (broken !== undefined) return broken
  return answer('survived', `${plural(use.scenarios.length, 'scenario')} provoked it, and nothing fails without it`)
}

/** Of a failure's text for people, what says the most: what was received, or the first line below its title. */
function howItFailed({ failure = 'no text' }: ScenarioResult): string {
  const [, ...lines] = failure.split('\n').map((line) => line.trim())
  const told = ['received ', 'because '].flatMap((word) => lines.find((line) => line.startsWith(word)) ?? [])
  return oneLine(told.length > 0 ? told.join('; ') : (lines.find(Boolean) ?? 'no text'))
}

function oneLine(words: string): string {
  const line = stripVTControlCharacters(words).replaceAll(/\s+/g, ' ').trim()
  return line.length > 240 ? `${line.slice(0, 240)}…` : line
}

const withinMs = 300_000

/**
 * Runs scenarios in a process of its own, since what is taken out is told by the environment.
 * What it answers throws HoldfastError `HOLDFAST_SABOTAGE_NO_REPORT` where there is no report.
 */
export function runWithoutInChild(run: ScenarioRun): RunWithout {
  return async (guard, files) => {
    const child = spawnHoldfast(['test', '--json', '--bail', ...files], run, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: userEnvironment({ HOLDFAST_SABOTAGE: guard }),
    })
    // Its own clean end releases its sites; a second signal would not.
    const ending = AbortSignal.any([run.signal, AbortSignal.timeout(withinMs)])
    ending.addEventListener('abort', () => child.kill('SIGTERM'), { once: true })
    const answer: Promise<ScenarioReport | { error: { message: string } }> = text(child.stdout!).then(JSON.parse)
    const [report, stderr] = await Promise.all([
      answer.catch(() => undefined),
      text(child.stderr!),
      once(child, 'close'),
    ])
    if (report !== undefined && !('error' in report)) return report
    const detail = report?.error.message ?? (stderr.trim().split('\n').at(-1) || 'it wrote nothing')
    throw new HoldfastError('HOLDFAST_SABOTAGE_NO_REPORT', `the run without ${guard} gave no report: ${detail}`)
  }
}
