import type { BackendName } from '../backends/backend.ts'
import { type Parity, parityOf, type SeenOn, type SeenTest } from '../evidence/parity.ts'
import { settings } from '../settings.ts'
import { writeLast } from './last-test.ts'
import { printPhase } from './output.ts'
import { parityResults } from './parity-results.ts'
import { runScenarios, type ScenarioReport, type ScenarioResult, type ScenarioRun, tallied } from './run-scenarios.ts'

/** Where scenarios are held: a backend, and what more there is to it. */
export interface Ground {
  /** As the verdict calls it; no other ground is called so. */
  readonly name: string
  readonly backend: BackendName
  readonly settings?: Readonly<Record<string, string>>
}

/** What came of all tests on one ground; or why none of them ran there, and what to type. */
export type GroundOutcome = { readonly ground: string } & (Omit<ScenarioReport, 'scenarios'> | { didNotRun: string })

/** The reports of all grounds together, and what came of holding them against each other. Each result says in its `scenario` on what it ran. */
export interface GroundsReport extends ScenarioReport {
  grounds: readonly GroundOutcome[]
  parity: Parity
}

/**
 * Runs the same scenarios on one ground after the other, and holds what each saw against the first. One that this machine lacks did
 * not run; with `bail` nor do those that come after a failure, or after a ground that saw something else.
 */
export async function runOnGrounds(grounds: readonly Ground[], run: ScenarioRun): Promise<GroundsReport> {
  const reports: { ground: string; report: ScenarioReport }[] = []
  const lacking: { ground: string; didNotRun: string }[] = []
  for (const { name: ground, backend, settings } of grounds) {
    const didNotRun = isEnded(run, reports) ? 'with --bail, for the one before failed' : await unavailable(backend)
    if (didNotRun !== undefined) {
      lacking.push({ ground, didNotRun })
      printPhase('note', 'ground', `${ground} did not run: ${didNotRun}`)
      continue
    }
    const report = await runScenarios({ ...run, backend, settings, isOneOfSeveral: true })
    run.signal.throwIfAborted()
    reports.push({ ground, report })
  }
  const report = await joined(grounds, reports, lacking)
  if (settings().sabotage === undefined) {
    const { filters, set, full } = run
    await writeLast(report, { filters, set, full, grounds: grounds.map(({ backend }) => backend) })
  }
  return report
}

async function unavailable(name: BackendName): Promise<string | undefined> {
  const { backend } = await import('../shipped.ts')
  return backend(name).unavailable()
}

type Reported = readonly { readonly ground: string; readonly report: ScenarioReport }[]

function isEnded({ bail }: ScenarioRun, reports: Reported): boolean {
  if (!bail) return false
  return reports.some(({ report }) => report.failed > 0) || parityOf(reports.map(seenOn)).differing.length > 0
}

function seenOn({ ground, report }: Reported[number]): SeenOn {
  return { ground, tests: report.scenarios.map(seenTest) }
}

/** A test that fails does so in the same way where it tells the same cause; what else broke it says with ports and times in it. */
function seenTest({ told, ...result }: ScenarioResult): SeenTest {
  return { ...result, failure: told?.cause }
}

async function joined(
  grounds: readonly Ground[],
  reports: Reported,
  lacking: readonly { ground: string; didNotRun: string }[],
): Promise<GroundsReport> {
  const parity = parityOf(reports.map(seenOn))
  const own = reports.flatMap(({ ground, report }) =>
    report.scenarios.map((one) => ({ ...one, scenario: `${one.scenario} on ${ground}` })),
  )
  const untried = lacking.map(({ ground, didNotRun }): ScenarioResult => {
    return { scenario: 'all of them', name: `on ${ground}`, file: '', state: 'did not run', ms: 0, reason: didNotRun }
  })
  const where = grounds.map(({ backend }) => backend).join(',')
  const held = await parityResults(parity, { runs: reports.map(seenOn), where })
  const outcomes = grounds.map(({ name }) => outcomeOf(name, reports, lacking))
  const all = reports.map(({ report }) => report)
  return {
    ...tallied([...own, ...held, ...untried]),
    evidence: all[0]?.evidence ?? '',
    runs: all.flatMap(({ runs }) => runs),
    preflight: all.flatMap(({ preflight }) => preflight),
    weakerProofs: all[0]?.weakerProofs ?? [],
    grounds: outcomes,
    parity,
  }
}

function outcomeOf(
  ground: string,
  reports: Reported,
  lacking: readonly { ground: string; didNotRun: string }[],
): GroundOutcome {
  const { scenarios: _, ...report } = reports.find((one) => one.ground === ground)?.report ?? {}
  const { didNotRun = '' } = lacking.find((one) => one.ground === ground) ?? {}
  return 'passed' in report ? { ground, ...(report as Omit<ScenarioReport, 'scenarios'>) } : { ground, didNotRun }
}
