import { readFile } from 'node:fs/promises'
import { basename, dirname, join, relative, resolve } from 'node:path'
import type { Reporter, SerializedError, TestCase, TestModule, TestSpecification, Vitest } from 'vitest/node'
import { signalProcess } from '../backends/processes.ts'
import type { Finding } from '../credentials/finding.ts'
import { HoldfastError } from '../errors.ts'
import { type GuardCoverage, guardCoverage } from '../evidence/coverage.ts'
import { asksForMovableClock, ownClockEnvironment } from '../faults/clock/own-clock.ts'
import { declaredGuards } from '../faults/declared-guards.ts'
import { settings } from '../settings.ts'
import type { ToldCall } from '../site/evidence-text.ts'
import type { KeptSite } from '../site/kept-site.ts'
import type { MeasuredTime } from '../site/scenario-site.ts'
import { ensureTools } from '../toolchain/install.ts'
import { clockMissing } from '../toolchain/libfaketime.ts'
import { fitsAny } from './choose-scenarios.ts'
import { type CommonOptions, chosenBackend } from './options.ts'
import { plural, printNote, printPhase, printToolchain, seconds } from './output.ts'

export interface ScenarioRun extends Pick<CommonOptions, 'backend' | 'set' | 'keep'> {
  filters: readonly string[]
  /** Scenario files that are run in place of those that the filters choose. */
  files?: readonly string[]
  /** Seconds from now at which all clocks begin. */
  at?: number
  /** Ends the run at the first failed test. */
  bail?: boolean
  /** Tries every cell of a matrix, not one of each class. */
  full?: boolean
  signal: AbortSignal
}

export interface Tally {
  passed: number
  failed: number
  /** What this machine, or this backend, could not run: told apart from passed, with the reason. */
  didNotRun: readonly { name: string; reason: string }[]
}

type ScenarioFinding = Finding & { scenario: string }

export interface ScenarioReport extends Tally {
  scenarios: ScenarioResult[]
  /** The folder that holds the evidence of every run. */
  evidence: string
  /** Folders of the runs themselves, one for each site. */
  runs: readonly string[]
  /** Verdicts by node that rest on less than its decision records (`status alone; effects not observed`), and on how many calls. */
  weakerProofs: readonly { node: string; proof: string; calls: number }[]
  /** What is wrong with the data of the sites, each once: told apart from what scenarios found. */
  preflight: readonly ScenarioFinding[]
  /** Guards of the services in the run, with what provoked each; absent where no scenario had a site. */
  guards?: GuardCoverage
}

/** One test of a scenario file. */
export interface ScenarioResult {
  /** Name of the scenario's folder: its claim. */
  scenario: string
  name: string
  file: string
  state: 'passed' | 'failed' | 'did not run'
  ms: number
  /** How it failed, for people. */
  failure?: string
  /** `assertion`: what the scenario expects did not hold. `error`: something broke before, or instead of, an answer. */
  cause?: 'assertion' | 'error'
  reason?: string
  /** Folder that keeps the evidence of the site that it ran on, if it had one. */
  evidence?: string
  /** Every call that it made, in order: what came, why, who said so, and the positive control of a refusal. */
  calls?: readonly ToldCall[]
  /** Times that it held against a bound. */
  measured?: readonly MeasuredTime[]
}

/**
 * Runs scenario files of the working directory with vitest, files side by side.
 *
 * @throws HoldfastError `HOLDFAST_NO_SCENARIO`, or `HOLDFAST_NOT_SUPPORTED` where clocks cannot begin elsewhere in time.
 */
export async function runScenarios(run: ScenarioRun): Promise<ScenarioReport> {
  const backend = chosenBackend(run)
  const missing = clockMissing()
  if (run.at && missing !== undefined) {
    throw new HoldfastError('HOLDFAST_NOT_SUPPORTED', `--at needs clocks that can be moved: ${missing}`)
  }
  const collector = new ResultCollector()
  const env = environment(run, backend)
  const vitest = await withoutItsSignals(() => startedVitest(run, env, collector))
  const cancel = (): void => {
    void vitest.cancelCurrentRun('keyboard-input')
    // A worker that holds a kept site releases it, and goes on; it may have done so already.
    for (const { pid } of collector.kept) signalProcess(pid, 'SIGTERM')
  }
  run.signal.addEventListener('abort', cancel)
  try {
    const specifications = await specified(vitest, run)
    printPhase('working', 'scenarios', `${plural(specifications.length, 'file')}, backend ${backend}`)
    if (missing === undefined && (run.at || (await anyMovesClocks(specifications)))) {
      // Building takes a minute or more, once; a test with a limit of its own must not wait for it.
      await ensureTools(['step-ca', 'step'], { overlay: true, signal: run.signal, onProgress: printToolchain })
    }
    await vitest.runTestSpecifications(specifications, true)
  } finally {
    run.signal.removeEventListener('abort', cancel)
    await vitest.close()
    // A worker that was ended hard could not release its site.
    if (run.signal.aborted) await (await import('./sweep.ts')).sweepAll()
  }
  return reportOf(collector)
}

/**
 * Ctrl-C reaches every process of the terminal. Workers leave it to this one, which cancels the run: they finish the test at
 * hand and release their sites.
 */
const deafToInterrupts = 'data:text/javascript,process.on("SIGINT",()=>{})'

async function startedVitest(run: ScenarioRun, env: Record<string, string>, reporter: Reporter): Promise<Vitest> {
  const { createVitest } = await import('vitest/node')
  // A scenario imports `holdfast/vitest`; in the repository this condition leads that name to the sources.
  const condition = import.meta.url.endsWith('.ts') ? ['holdfast-source'] : []
  return createVitest(
    {
      root: process.cwd(),
      config: false,
      watch: false,
      include: ['**/*.scenario.ts'],
      exclude: ['**/node_modules/**', '**/dist/**', '**/.holdfast/**'],
      pool: 'forks',
      execArgv: [
        ...condition.map((name) => `--conditions=${name}`),
        '--disable-warning=ExperimentalWarning',
        ...['--import', deafToInterrupts],
      ],
      // A site per file, files side by side: starting one may build a program first.
      testTimeout: 180_000,
      hookTimeout: run.keep ? 0 : 300_000,
      teardownTimeout: 30_000,
      env: { ...env, ...ownClockEnvironment(run.at) },
      ...(run.bail ? { bail: 1 } : {}),
      reporters: [reporter],
    },
    {
      // Somebody's folder of scenarios need not get a node_modules of its own.
      cacheDir: join(settings().cacheDir, 'vite'),
      resolve: { conditions: [...condition, 'module', 'node', 'development|production'] },
      ssr: { resolve: { conditions: [...condition, 'module', 'node'], externalConditions: [...condition, 'node'] } },
    },
  )
}

/** vitest would exit on Ctrl-C within a millisecond, before anything is released. Signals are for our own owner to handle. */
async function withoutItsSignals<T>(create: () => Promise<T>): Promise<T> {
  const before = (['SIGINT', 'SIGTERM'] as const).map((signal) => [signal, new Set(process.listeners(signal))] as const)
  const created = await create()
  for (const [signal, ours] of before) {
    for (const listener of process.listeners(signal).filter((one) => !ours.has(one))) process.off(signal, listener)
  }
  return created
}

/** How a scenario's worker learns what the command line asked for: through the settings. */
function environment(run: ScenarioRun, backend: string): Record<string, string> {
  return {
    HOLDFAST_BACKEND: backend,
    HOLDFAST_SET: JSON.stringify(parametersOf(run)),
    ...(run.at ? { HOLDFAST_AT: String(run.at) } : {}),
    ...(run.keep ? { HOLDFAST_KEEP: '1' } : {}),
    ...(run.full ? { HOLDFAST_FULL: '1' } : {}),
  }
}

function parametersOf({ set }: ScenarioRun): Record<string, string> {
  return { ...settings().parameters, ...set }
}

/** The files that were named, or all that fit a filter, and what follows from topologies among the filters that no file says. */
async function specified(vitest: Vitest, run: ScenarioRun): Promise<TestSpecification[]> {
  const { filters, files } = run
  const specifications = (paths: readonly string[]) =>
    paths.map((file) => vitest.getRootProject().createSpecification(file))
  if (files !== undefined) return specifications(files)
  const written = await vitest.globTestSpecifications()
  if (written.length > 0 && filters.length === 0) return written
  const scenarios = written.map(({ moduleId }) => moduleId)
  const fits = await Promise.all(scenarios.map((file) => fitsAny(file, filters)))
  const { deriveScenarios } = await import('./derived-scenarios.ts')
  const derived = await deriveScenarios({ filters, scenarios, set: parametersOf(run) })
  const chosen = [...written.filter((_, index) => fits[index]), ...specifications(derived)]
  if (chosen.length > 0) return chosen
  const which = filters.length > 0 ? ` matches ${filters.map((filter) => `"${filter}"`).join(' or ')}` : ''
  throw new HoldfastError(
    'HOLDFAST_NO_SCENARIO',
    `no scenario below ${process.cwd()}${which}; scenarios are files named *.scenario.ts, and a filter is a part of their path or the name of their topology`,
  )
}

async function anyMovesClocks(specifications: readonly TestSpecification[]): Promise<boolean> {
  const sources = await Promise.all(specifications.map(({ moduleId }) => readFile(moduleId, 'utf8')))
  return sources.some(asksForMovableClock)
}

/** Hears of every test as it ends; tells each file once on stderr, and keeps the rest for the end. */
class ResultCollector implements Reporter {
  readonly results: ScenarioResult[] = []
  readonly findings: ScenarioFinding[] = []
  /** Sites of failed tests that wait to be ended. */
  readonly kept: KeptSite[] = []

  async onTestCaseResult(test: TestCase): Promise<void> {
    const { kept } = test.meta()
    if (kept === undefined || this.kept.some(({ run }) => run === kept.run)) return
    this.kept.push(kept)
    const { keptText } = await import('./describe-site.ts')
    printPhase('failed', 'kept', `${kept.run}, as it was when "${test.fullName}" failed`)
    printNote(`\n${await keptText(kept)}\nThe run waits for that, and goes on.`)
  }

  onTestModuleEnd(module: TestModule): void {
    const scenario = claimOf(module)
    const cases = [...module.children.allTests()]
    const tests = cases.map(resultOf)
    // The file itself, or what it stands on (its site), failed: its tests did not come to run.
    const broken = module
      .errors()
      .map((error) => brokenResult(scenario, 'the file as a whole', error, relative('', module.moduleId)))
    this.results.push(...broken, ...tests)
    // A file has one site: each of its tests tells the same.
    const findings = cases.map((test) => test.meta().findings).find((told) => told !== undefined) ?? []
    this.findings.push(...findings.map((finding) => ({ scenario, ...finding })))
    const { failed = [], passed = [], 'did not run': skipped = [] } = byState(tests)
    const mark = failed.length + broken.length > 0 ? 'failed' : passed.length > 0 ? 'done' : 'note'
    const counts = [
      `${passed.length} of ${plural(tests.length, 'test')} passed`,
      ...(skipped.length > 0 ? [`${skipped.length} did not run`] : []),
    ]
    printPhase(mark, scenario, `${counts.join(', ')}  ${seconds(module.diagnostic().duration)}`)
  }

  onTestRunEnd(_modules: ReadonlyArray<TestModule>, unhandled: ReadonlyArray<SerializedError>): void {
    this.results.push(...unhandled.map((error) => brokenResult('outside of any test', 'unhandled error', error, '')))
  }
}

function byState(results: readonly ScenarioResult[]) {
  return Object.groupBy(results, ({ state }) => state)
}

async function reportOf({ results, findings }: ResultCollector): Promise<ScenarioReport> {
  const { failed = [], passed = [], 'did not run': didNotRun = [] } = byState(results)
  const scenarios = [...failed, ...passed, ...didNotRun]
  const sites = new Map(scenarios.flatMap(({ file, evidence }) => (evidence ? [[evidence, file] as const] : [])))
  const evidence = [...sites].map(([folder, file]) => ({ file, folder }))
  const unproven = results.flatMap(({ calls = [] }) => calls.filter(({ weakerProof }) => weakerProof !== undefined))
  const weaker = Map.groupBy(unproven, ({ to, weakerProof }) => `${to} ${weakerProof}`)
  return {
    passed: passed.length,
    failed: failed.length,
    didNotRun: didNotRun.map(({ scenario, name, reason = '' }) => ({ name: `${scenario}: ${name}`, reason })),
    scenarios,
    evidence: resolve('.holdfast', 'runs'),
    preflight: findings,
    weakerProofs: [...weaker.values()].map((some) => {
      return { node: some[0]!.to, proof: some[0]!.weakerProof!, calls: some.length }
    }),
    runs: [...new Set(results.flatMap(({ evidence }) => evidence ?? []))],
    ...(evidence.length > 0 && { guards: await guardCoverage(evidence, declaredGuards) }),
  }
}

function resultOf(test: TestCase): ScenarioResult {
  const result = test.result()
  const { evidence, calls, measured } = test.meta()
  const common = {
    scenario: claimOf(test.module),
    name: test.fullName,
    file: relative('', test.module.moduleId),
    ms: Math.round(test.diagnostic()?.duration ?? 0),
    ...{ evidence, calls, measured },
  }
  if (result.state === 'passed') return { ...common, state: 'passed' }
  if (result.state === 'failed') {
    const failure = failureText(common, result.errors)
    return { ...common, state: 'failed', failure, cause: causeOf(result.errors) }
  }
  const reason = result.state === 'skipped' ? result.note : 'the run ended before it'
  return { ...common, state: 'did not run', reason: reason ?? 'its file says skip' }
}

/** Of what failed and is no test. */
function brokenResult(scenario: string, name: string, error: SerializedError, file: string): ScenarioResult {
  const failure = failureText({ scenario, name, file }, [error])
  return { scenario, name, file, state: 'failed', ms: 0, failure, cause: 'error' }
}

/** Failures of ours that say what was expected and what came: of a wait, a cell of the matrix, an attack. */
const judgements = ['AssertionError', 'NotReached', 'CellDeviates', 'AttackDeviates', 'AttackWorks']

/** What vitest's `expect` throws says what it got and what it wanted. */
function causeOf([first]: readonly SerializedError[]): 'assertion' | 'error' {
  if (first === undefined) return 'error'
  const compares = 'actual' in first && 'expected' in first
  return compares || judgements.includes(first.name ?? '') ? 'assertion' : 'error'
}

function claimOf({ moduleId }: TestModule): string {
  return basename(dirname(moduleId))
}

/** `✗ claim: test`, then each error's own text; its place in the scenario; how to run it again. */
function failureText(
  { scenario, name, file }: Pick<ScenarioResult, 'scenario' | 'name' | 'file'>,
  errors: readonly SerializedError[],
): string {
  const lines = errors.flatMap((error) => [
    ...error.message.split('\n'),
    ...String(error.diff ?? '')
      .split('\n')
      .filter(Boolean),
    ...causes(error),
    ...placeOf(error),
  ])
  if (file !== '' && !lines.some((line) => /holdfast (test|attack)/.test(line))) {
    lines.push(`again     npx holdfast test ${file}`)
  }
  return [`✗ ${scenario}: ${name}`, ...lines.map((line) => `    ${line}`.trimEnd())].join('\n')
}

function causes(error: SerializedError): string[] {
  const cause = error.cause as SerializedError | undefined
  if (!cause) return []
  return [...(cause.message ? [`  because ${cause.message}`] : []), ...causes(cause)]
}

function placeOf(error: SerializedError): string[] {
  const frame = error.stacks?.find(({ file }) => file.endsWith('.scenario.ts'))
  return frame ? [`at        ${relative('', frame.file)}:${frame.line}`] : []
}
