import { readFile } from 'node:fs/promises'
import { basename, dirname, join, relative, resolve } from 'node:path'
import type { Reporter, SerializedError, TestCase, TestModule, TestSpecification, Vitest } from 'vitest/node'
import type { BackendName } from '../backends/backend.ts'
import type { Finding } from '../credentials/finding.ts'
import { HoldfastError } from '../errors.ts'
import type { GuardCoverage } from '../evidence/coverage.ts'
import { asksForMovableClock, ownClockEnvironment } from '../faults/clock/own-clock.ts'
import { settings } from '../settings.ts'
import type { KeptSite } from '../site/kept-site.ts'
import type { MeasuredTime } from '../site/scenario-site.ts'
import type { ToldCall } from '../site/told-call.ts'
import { clockMissing } from '../toolchain/libfaketime.ts'
import { fitsAny } from './choose-scenarios.ts'
import { plural, printNote, printPhase, seconds } from './output.ts'
import type { Tally } from './verdict.ts'
import { type WeakerProofs, weakerProofs } from './weaker-proofs.ts'

export interface ScenarioRun {
  filters: readonly string[]
  /** Scenario files that are run in place of those that the filters choose. */
  files?: readonly string[]
  backend: BackendName
  set: Readonly<Record<string, string>>
  keep?: boolean
  /** Seconds from now at which all clocks begin. */
  at?: number
  /** Ends the run at the first failed test. */
  bail?: boolean
  /** Tries every cell of a matrix, not one of each class. */
  full?: boolean
  signal: AbortSignal
}

export interface ScenarioReport extends Tally {
  scenarios: ScenarioResult[]
  /** The folder that holds the evidence of every run. */
  evidence: string
  /** Folders of the runs themselves, one for each site. */
  runs: readonly string[]
  /** Nodes whose verdicts rest on less than decision records. */
  weakerProofs: readonly WeakerProofs[]
  /** What is wrong with the data of the sites, each once: told apart from what scenarios found. */
  preflight: readonly (Finding & { scenario: string })[]
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

/** No scenario file fits what was asked for. */
class NoScenario extends HoldfastError {
  constructor(filters: readonly string[], root: string) {
    const which = filters.length > 0 ? ` matches ${filters.map((filter) => `"${filter}"`).join(' or ')}` : ''
    super(
      'HOLDFAST_NO_SCENARIO',
      `no scenario below ${root}${which}; scenarios are files named *.scenario.ts, and a filter is a part of their path or the name of their topology`,
    )
  }
}

/** Clocks were to begin elsewhere in time, on a machine that cannot move them. */
class NoClockTravel extends HoldfastError {
  constructor(why: string) {
    super('HOLDFAST_NOT_SUPPORTED', `--at needs clocks that can be moved: ${why}`)
  }
}

/** Runs scenario files of the working directory with vitest, files side by side. */
export async function runScenarios(run: ScenarioRun): Promise<ScenarioReport> {
  const root = process.cwd()
  const missing = clockMissing()
  if (run.at && missing !== undefined) throw new NoClockTravel(missing)
  const results = new ResultCollector(root)
  const vitest = await withoutItsSignals(() => startedVitest(root, run, results))
  const cancel = (): void => {
    void vitest.cancelCurrentRun('keyboard-input')
    for (const { pid } of results.kept) endHolder(pid)
  }
  run.signal.addEventListener('abort', cancel)
  try {
    const specifications = await specified(vitest, run)
    if (specifications.length === 0) throw new NoScenario(run.filters, root)
    printPhase('working', 'scenarios', `${plural(specifications.length, 'file')}, backend ${run.backend}`)
    if (missing === undefined && (run.at || (await anyMovesClocks(specifications)))) {
      await prepareMovablePrograms(run.signal)
    }
    await vitest.runTestSpecifications(specifications, true)
  } finally {
    run.signal.removeEventListener('abort', cancel)
    await vitest.close()
    // A worker that was ended hard could not release its site.
    if (run.signal.aborted) await (await import('./sweep.ts')).sweepAll()
  }
  const report = results.report()
  const guards = await guardsOf(report.scenarios)
  return guards === undefined ? report : { ...report, guards }
}

/** Asks a worker that holds a kept site to release it and to go on; it may have done so already. */
function endHolder(pid: number): void {
  try {
    process.kill(pid, 'SIGTERM')
  } catch (failure) {
    if ((failure as NodeJS.ErrnoException).code !== 'ESRCH') throw failure
  }
}

async function guardsOf(scenarios: readonly ScenarioResult[]): Promise<GuardCoverage | undefined> {
  const sites = new Map(scenarios.flatMap(({ file, evidence }) => (evidence ? [[evidence, file] as const] : [])))
  if (sites.size === 0) return undefined
  const [{ guardCoverage }, { declaredGuards }] = await Promise.all([
    import('../evidence/coverage.ts'),
    import('../faults/declared-guards.ts'),
  ])
  return guardCoverage(
    [...sites].map(([folder, file]) => ({ file, folder })),
    declaredGuards,
  )
}

/**
 * Ctrl-C reaches every process of the terminal. Workers leave it to this one, which cancels the run: they finish the test at
 * hand and release their sites.
 */
const deafToInterrupts = 'data:text/javascript,process.on("SIGINT",()=>{})'

async function startedVitest(root: string, run: ScenarioRun, reporter: Reporter): Promise<Vitest> {
  const { createVitest } = await import('vitest/node')
  const fromSource = import.meta.url.endsWith('.ts')
  // A scenario imports `holdfast/vitest`; in the repository this condition leads that name to the sources.
  const condition = fromSource ? ['holdfast-source'] : []
  return createVitest(
    {
      root,
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
      env: { ...environment(run), ...ownClockEnvironment(run.at) },
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
  const signals = ['SIGINT', 'SIGTERM'] as const
  const before = new Map(signals.map((signal) => [signal, process.listeners(signal)]))
  const created = await create()
  for (const signal of signals) {
    for (const listener of process.listeners(signal)) {
      if (!before.get(signal)?.includes(listener)) process.off(signal, listener)
    }
  }
  return created
}

/** How a scenario's worker learns what the command line asked for: through the settings. */
function environment(run: ScenarioRun): Record<string, string> {
  return {
    HOLDFAST_BACKEND: run.backend,
    HOLDFAST_SET: JSON.stringify({ ...settings().parameters, ...run.set }),
    ...(run.at ? { HOLDFAST_AT: String(run.at) } : {}),
    ...(run.keep ? { HOLDFAST_KEEP: '1' } : {}),
    ...(run.full ? { HOLDFAST_FULL: '1' } : {}),
  }
}

async function specified(vitest: Vitest, run: ScenarioRun): Promise<TestSpecification[]> {
  if (run.files !== undefined) return run.files.map((file) => vitest.getRootProject().createSpecification(file))
  const written = await vitest.globTestSpecifications()
  return [...(await chosen(written, run.filters)), ...(await derived(vitest, written, run))]
}

async function chosen(all: TestSpecification[], filters: readonly string[]): Promise<TestSpecification[]> {
  if (filters.length === 0) return all
  const fits = await Promise.all(all.map(({ moduleId }) => fitsAny(moduleId, filters)))
  return all.filter((_, index) => fits[index])
}

/** What follows from the topologies that were asked for, as far as no file says it already. */
async function derived(vitest: Vitest, written: readonly TestSpecification[], run: ScenarioRun) {
  const { deriveScenarios } = await import('./derived-scenarios.ts')
  const scenarios = written.map(({ moduleId }) => moduleId)
  const set = { ...settings().parameters, ...run.set }
  const files = await deriveScenarios({ filters: run.filters, scenarios, root: process.cwd(), set })
  return files.map((file) => vitest.getRootProject().createSpecification(file))
}

async function anyMovesClocks(specifications: readonly TestSpecification[]): Promise<boolean> {
  const sources = await Promise.all(specifications.map(({ moduleId }) => readFile(moduleId, 'utf8')))
  return sources.some(asksForMovableClock)
}

/** Building takes a minute or more, once; a test with a limit of its own must not wait for it. */
async function prepareMovablePrograms(signal: AbortSignal): Promise<void> {
  const { ensureTools } = await import('../toolchain/install.ts')
  await ensureTools(['step-ca', 'step'], {
    overlay: true,
    signal,
    onProgress: (line) => printPhase('working', 'toolchain', line),
  })
}

/** Hears of every test as it ends; tells each file once on stderr, and keeps the rest for the end. */
class ResultCollector implements Reporter {
  readonly #root: string
  readonly #results: ScenarioResult[] = []
  readonly #findings: (Finding & { scenario: string })[] = []
  /** Sites of failed tests that wait to be ended. */
  readonly kept: KeptSite[] = []

  constructor(root: string) {
    this.#root = root
  }

  async onTestCaseResult(test: TestCase): Promise<void> {
    const { kept } = test.meta()
    if (kept === undefined || this.kept.some(({ run }) => run === kept.run)) return
    this.kept.push(kept)
    const { keptText } = await import('./kept-run.ts')
    printPhase('failed', 'kept', `${kept.run}, as it was when "${test.fullName}" failed`)
    printNote(`\n${await keptText(kept)}\nThe run waits for that, and goes on.`)
  }

  onTestModuleEnd(module: TestModule): void {
    const tests = [...module.children.allTests()].map((test) => this.#ofTest(test, module))
    const broken = module.errors().map((error) => this.#ofError(error, module))
    this.#findings.push(...findingsOf(module))
    this.#results.push(...broken, ...tests)
    const failed = [...broken, ...tests].filter(({ state }) => state === 'failed').length
    const skipped = tests.filter(({ state }) => state === 'did not run')
    const mark = failed > 0 ? 'failed' : skipped.length === tests.length ? 'note' : 'done'
    const counts = [
      `${tests.length - skipped.length - tests.filter(({ state }) => state === 'failed').length} of ${plural(tests.length, 'test')} passed`,
      ...(skipped.length > 0 ? [`${skipped.length} did not run`] : []),
    ]
    printPhase(mark, claimOf(module.moduleId), `${counts.join(', ')}  ${seconds(module.diagnostic().duration)}`)
  }

  onTestRunEnd(_modules: ReadonlyArray<TestModule>, unhandled: ReadonlyArray<SerializedError>): void {
    for (const error of unhandled) {
      this.#results.push({
        scenario: 'outside of any test',
        name: 'unhandled error',
        file: '',
        state: 'failed',
        ms: 0,
        failure: failureText('outside of any test', 'unhandled error', [error], undefined),
        cause: 'error',
      })
    }
  }

  report(): ScenarioReport {
    const byOutcome = (state: ScenarioResult['state']) => this.#results.filter((result) => result.state === state)
    const [failed, passed, didNotRun] = [byOutcome('failed'), byOutcome('passed'), byOutcome('did not run')]
    return {
      passed: passed.length,
      failed: failed.length,
      didNotRun: didNotRun.map(({ scenario, name, reason }) => ({
        name: `${scenario}: ${name}`,
        reason: reason ?? '',
      })),
      scenarios: [...failed, ...passed, ...didNotRun],
      evidence: resolve('.holdfast', 'runs'),
      preflight: this.#findings,
      weakerProofs: weakerProofs(this.#results.flatMap(({ calls = [] }) => calls)),
      runs: [...new Set(this.#results.flatMap(({ evidence }) => evidence ?? []))],
    }
  }

  #ofTest(test: TestCase, module: TestModule): ScenarioResult {
    const result = test.result()
    const scenario = claimOf(module.moduleId)
    const common = {
      scenario,
      name: test.fullName,
      file: relative(this.#root, module.moduleId),
      ms: Math.round(test.diagnostic()?.duration ?? 0),
      ...toldOf(test),
    }
    if (result.state === 'passed') return { ...common, state: 'passed' }
    if (result.state === 'failed') {
      const failure = failureText(scenario, test.fullName, result.errors, common.file)
      return { ...common, state: 'failed', failure, cause: causeOf(result.errors) }
    }
    const reason = result.state === 'skipped' ? result.note : 'the run ended before it'
    return { ...common, state: 'did not run', reason: reason ?? 'its file says skip' }
  }

  /** The file itself, or what it stands on (its site), failed: its tests did not come to run. */
  #ofError(error: SerializedError, module: TestModule): ScenarioResult {
    const scenario = claimOf(module.moduleId)
    return {
      scenario,
      name: 'the file as a whole',
      file: relative(this.#root, module.moduleId),
      state: 'failed',
      ms: 0,
      failure: failureText(scenario, 'the file as a whole', [error], relative(this.#root, module.moduleId)),
      cause: 'error',
    }
  }
}

/** A file has one site: each of its tests tells the same. */
function findingsOf(module: TestModule): (Finding & { scenario: string })[] {
  const [told = []] = [...module.children.allTests()].flatMap((test) => {
    const { findings } = test.meta()
    return findings === undefined ? [] : [findings]
  })
  return told.map((finding) => ({ scenario: claimOf(module.moduleId), ...finding }))
}

function toldOf(test: TestCase): Pick<ScenarioResult, 'evidence' | 'calls' | 'measured'> {
  const { evidence, calls, measured } = test.meta()
  return { evidence, calls, measured }
}

/** Failures of ours that say what was expected and what came: of a wait, a cell of the matrix, an attack. */
const judgements = ['AssertionError', 'NotReached', 'CellDeviates', 'AttackDeviates', 'AttackWorks']

/** What vitest's `expect` throws says what it got and what it wanted. */
function causeOf([first]: readonly SerializedError[]): 'assertion' | 'error' {
  if (first === undefined) return 'error'
  const compares = 'actual' in first && 'expected' in first
  return compares || judgements.includes(first.name ?? '') ? 'assertion' : 'error'
}

function claimOf(file: string): string {
  return basename(dirname(file))
}

/** `✗ claim: test`, then each error's own text; its place in the scenario; how to run it again. */
function failureText(scenario: string, name: string, errors: readonly SerializedError[], again?: string): string {
  const lines = errors.flatMap((error) => [
    ...error.message.split('\n'),
    ...String(error.diff ?? '')
      .split('\n')
      .filter(Boolean),
    ...causes(error),
    ...placeOf(error),
  ])
  if (again !== undefined && !lines.some((line) => /holdfast (test|attack)/.test(line))) {
    lines.push(`again     npx holdfast test ${again}`)
  }
  return [`✗ ${scenario}: ${name}`, ...lines.map((line) => `    ${line}`.trimEnd())].join('\n')
}

function causes(error: SerializedError): string[] {
  const lines: string[] = []
  for (
    let cause = error.cause as SerializedError | undefined;
    cause;
    cause = cause.cause as SerializedError | undefined
  ) {
    if (cause.message) lines.push(`  because ${cause.message}`)
  }
  return lines
}

function placeOf(error: SerializedError): string[] {
  const frame = error.stacks?.find(({ file }) => file.endsWith('.scenario.ts'))
  return frame ? [`at        ${relative(process.cwd(), frame.file)}:${frame.line}`] : []
}
