import { writeFileSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Reporter, SerializedError, TestCase, TestModule, TestSpecification, Vitest } from 'vitest/node'
import { signalProcess } from '../agent/labelled.ts'
import type { BackendName } from '../backends/backend.ts'
import type { Finding } from '../credentials/finding.ts'
import { redact } from '../credentials/secrets.ts'
import { HoldfastError } from '../errors.ts'
import { type GuardCoverage, guardCoverage } from '../evidence/coverage.ts'
import { wholeFile } from '../evidence/parity.ts'
import { asksForMovableClock, ownClockEnvironment } from '../faults/clock/own-clock.ts'
import { declaredGuards } from '../faults/declared-guards.ts'
import { settings, standardBackend } from '../settings.ts'
import type { ToldCall } from '../site/evidence-text.ts'
import type { KeptSite } from '../site/kept-site.ts'
import type { MeasuredTime } from '../site/scenario-site.ts'
import type { ToldFailure } from '../site/told-failure.ts'
import { ensureTools } from '../toolchain/install.ts'
import { clockMissing } from '../toolchain/libfaketime.ts'
import { causesOf } from './causes.ts'
import { againIn, fitsAny, isNamedAsTopology } from './choose-scenarios.ts'
import { isEvidenceGone } from './evidence-gone.ts'
import { aborted } from './interruption.ts'
import { indexFile, writeLast } from './last-test.ts'
import { type CommonOptions, chosenBackend } from './options.ts'
import { plural, printNote, printPhase, printProgress, printToolchain, seconds } from './output.ts'
import { fromHere, type PlainRoot, plainRoot } from './plain-root.ts'
import { withoutItsSignals } from './without-its-signals.ts'

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
  /** Only tests whose whole name holds this. */
  name?: string
  /** Only tests of these whole names. */
  names?: readonly string[]
  /** Folder of mutants: every test runs once with each that it covers, and what came of it is written there. */
  mutants?: string
  /** Settings of the scenarios besides: a ground may be one with something more to it. */
  settings?: Readonly<Record<string, string>>
  /** Whoever runs them on several grounds keeps for all of them together what is asked of the last run. */
  isOneOfSeveral?: boolean
  /** Of the chosen files, only those with such a source. */
  source?: (text: string) => boolean
  signal: AbortSignal
}

export interface Tally {
  passed: number
  /** Causes of failures. */
  failed: number
  /** Failures that have one of these causes, too. */
  follow?: number
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
  /** Name of the scenario's folder: its claim; of several grounds, with those on which it was tried. */
  scenario: string
  name: string
  file: string
  state: 'passed' | 'failed' | 'did not run'
  ms: number
  /** How it failed, for people. */
  failure?: string
  /** The same by parts, where one of its calls failed. */
  told?: ToldFailure
  /** Where in the scenario. */
  at?: string
  /** The line at which its file makes the test, where it does so by itself. */
  line?: number
  /** The page of evidence of a failed test. */
  page?: string
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
  const pattern = patternOf(run)
  const sitesAtOnce =
    backend === standardBackend ? undefined : (await import('../shipped.ts')).backend(backend).sitesAtOnce?.()
  const collector = new ResultCollector(pattern, run.mutants !== undefined, backend)
  await using root = await plainRoot()
  await using endFile = await newEndFile()
  const env = { ...environment(run, backend), HOLDFAST_END_FILE: endFile.path }
  using givenUp = nothingGoesOn(run.signal, collector)
  const started = withoutItsSignals(() => startedVitest(run, { env, collector, pattern, root, sitesAtOnce }))
  // Before it is there, nothing is at work that could be waited for.
  const interrupted = aborted(run.signal).then(() => Promise.reject(run.signal.reason))
  const vitest = await Promise.race([started, interrupted])
  const cancel = (): void => {
    writeFileSync(endFile.path, '')
    // Before its first file, vitest would forget it again; a second time it would kill the workers.
    void collector.begun.then(() => vitest.cancelCurrentRun('keyboard-input'))
    // A worker that holds a kept site releases it, and goes on; it may have done so already.
    for (const { pid } of collector.kept) signalProcess(pid, 'SIGTERM')
  }
  run.signal.addEventListener('abort', cancel)
  try {
    const specifications = await withSource(await specified(vitest, run), run.source)
    printPhase('working', 'scenarios', `${plural(specifications.length, 'file')}, backend ${backend}`)
    if (missing === undefined && (run.at || (await anyMovesClocks(specifications)))) {
      // Building takes a minute or more, once; a test with a limit of its own must not wait for it.
      await ensureTools(['step-ca', 'step'], { overlay: true, signal: run.signal, onProgress: printToolchain })
    }
    // What was told before vitest had something to cancel.
    run.signal.throwIfAborted()
    await Promise.race([vitest.runTestSpecifications(specifications, true), givenUp.promise])
  } finally {
    run.signal.removeEventListener('abort', cancel)
    await Promise.race([vitest.close(), givenUp.promise.catch(() => {})])
    // A worker that was ended hard could not release its site.
    if (run.signal.aborted || collector.isCutShort) collector.swept = await sweptHere()
  }
  if (collector.results.length === 0 && run.name !== undefined && !run.signal.aborted) {
    throw new HoldfastError(
      'HOLDFAST_NO_SCENARIO',
      `no test has "${run.name}" in its name; ${indexFile} names those of the last run`,
    )
  }
  const report = await reportOf(collector, run.mutants === undefined)
  // Runs of sabotage are nobody's last one.
  const isLast = settings().sabotage === undefined && run.mutants === undefined && !run.isOneOfSeveral
  if (isLast) await writeLast(report, { filters: run.filters, set: run.set, full: run.full })
  return report
}

const GIVE_UP_AFTER_MS = 4_000

/**
 * Rejects when the run was cancelled and no file has been at work for a while: of a worker that Ctrl-C ended before it could listen,
 * vitest waits for the end that has been.
 */
function nothingGoesOn(signal: AbortSignal, collector: ResultCollector): Disposable & { promise: Promise<never> } {
  const { promise, reject } = Promise.withResolvers<never>()
  let idleSince: number | undefined
  const looking = setInterval(() => {
    if (!signal.aborted || collector.isAtWork) idleSince = undefined
    else idleSince ??= performance.now()
    if (idleSince !== undefined && performance.now() - idleSince >= GIVE_UP_AFTER_MS) reject(signal.reason)
  }, 250)
  promise.catch(() => {})
  return { promise, [Symbol.dispose]: () => clearInterval(looking) }
}

/** Where workers see that the run is to end, whatever they are at. */
async function newEndFile(): Promise<AsyncDisposable & { path: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-end-'))
  return { path: join(folder, 'ended'), [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) }
}

/** What chooses tests by name. */
function patternOf({ name, names }: ScenarioRun): RegExp | undefined {
  const escaped = (text: string) => text.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')
  if (names !== undefined) return new RegExp(`^(${names.map(escaped).join('|')})$`)
  return name === undefined ? undefined : new RegExp(escaped(name))
}

/** Evidence of the runs below this folder that were left by workers which are gone. */
async function sweptHere(): Promise<string[]> {
  const { sweepAll, tellLeft } = await import('./sweep.ts')
  const { swept, left } = await sweepAll()
  tellLeft(left)
  const here = join(runsFolder(), '/')
  return swept.flatMap(({ evidence }) => (evidence?.startsWith(here) ? [evidence] : []))
}

function runsFolder(): string {
  return resolve('.holdfast', 'runs')
}

/**
 * Ctrl-C, and the end of the terminal, reach every process of it. Workers leave them to this one, which cancels the run: they
 * finish the test at hand and release their sites.
 */
const deafToInterrupts = 'data:text/javascript,for(const signal of ["SIGINT","SIGHUP"])process.on(signal,()=>{})'

interface Started {
  env: Record<string, string>
  collector: ResultCollector
  pattern: RegExp | undefined
  root: PlainRoot
  /** So many files run side by side at most; as many as there are cores less one, if that is fewer. */
  sitesAtOnce: number | undefined
}

async function startedVitest(
  run: ScenarioRun,
  { env, collector, pattern, root, sitesAtOnce }: Started,
): Promise<Vitest> {
  const { createVitest } = await import('vitest/node')
  // A scenario imports `holdfast/vitest`; in the repository this condition leads that name to the sources.
  const isSource = import.meta.url.endsWith('.ts')
  const condition = isSource ? ['holdfast-source'] : []
  return createVitest(
    {
      root: root.path,
      config: false,
      watch: false,
      include: ['**/*.scenario.ts'],
      exclude: ['**/node_modules/**', '**/dist/**', '**/.holdfast/**'],
      pool: 'forks',
      includeTaskLocation: true,
      execArgv: [
        ...condition.map((name) => `--conditions=${name}`),
        '--disable-warning=ExperimentalWarning',
        ...['--import', deafToInterrupts],
      ],
      // A site per file, files side by side: starting one may build a program first.
      testTimeout: 180_000,
      hookTimeout: run.keep ? 0 : 300_000,
      teardownTimeout: 30_000,
      // Where this process has its own: a worker of the installed package would compile all of it anew.
      env: { ...env, ...ownClockEnvironment(run.at), NODE_COMPILE_CACHE: settings().compileCache },
      ...(run.bail ? { bail: 1 } : {}),
      ...(pattern && { testNamePattern: pattern }),
      ...(run.mutants ? { runner: mutantRunner, testTimeout: 30_000, maxWorkers: 2 } : {}),
      ...(sitesAtOnce !== undefined && { maxWorkers: Math.min(sitesAtOnce, Math.max(1, availableParallelism() - 1)) }),
      ...(isSource ? { server: { deps: { external: [ownSource] } } } : {}),
      reporters: [collector],
    },
    {
      // Somebody's folder of scenarios need not get a node_modules of its own.
      cacheDir: join(settings().cacheDir, 'vite'),
      resolve: {
        conditions: [...condition, 'module', 'node', 'development|production'],
        preserveSymlinks: root.isLink,
      },
      ssr: { resolve: { conditions: [...condition, 'module', 'node'], externalConditions: [...condition, 'node'] } },
    },
  )
}

/** In the repository Node loads Holdfast itself, as vitest lets it do where it is an installed package: that is compiled once for all runs. */
const ownSource = new RegExp(
  `^${fileURLToPath(new URL('../', import.meta.url)).replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&')}(?!.*\\.scenario\\.ts$).*\\.ts$`,
)

const mutantRunner = fileURLToPath(
  new URL(`../vitest/mutant-runner.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`, import.meta.url),
)

/** How a scenario's worker learns what the command line asked for: through the settings. */
function environment(run: ScenarioRun, backend: string): Record<string, string> {
  return {
    HOLDFAST_BACKEND: backend,
    HOLDFAST_SET: JSON.stringify(parametersOf(run)),
    ...(run.at ? { HOLDFAST_AT: String(run.at) } : {}),
    ...(run.keep ? { HOLDFAST_KEEP: '1' } : {}),
    ...(run.full ? { HOLDFAST_FULL: '1' } : {}),
    ...(run.mutants ? { HOLDFAST_MUTANTS: run.mutants } : {}),
    ...run.settings,
  }
}

function parametersOf({ set }: ScenarioRun): Record<string, string> {
  return { ...settings().parameters, ...set }
}

/** The files that were named, or all that fit a filter, and what follows from topologies among the filters that no file says. */
async function specified(vitest: Vitest, run: ScenarioRun): Promise<TestSpecification[]> {
  const { filters, files } = run
  const specifications = (paths: readonly string[]) =>
    paths.map((file) => vitest.getRootProject().createSpecification(join(vitest.config.root, fromHere(file))))
  if (files !== undefined) return specifications(files)
  const written = await vitest.globTestSpecifications()
  if (written.length > 0 && filters.length === 0) return written
  const scenarios = written.map(({ moduleId }) => resolve(fromHere(moduleId)))
  const fits = await Promise.all(scenarios.map((file) => fitsAny(file, filters)))
  const { deriveScenarios } = await import('./derived-scenarios.ts')
  const derived = await deriveScenarios({ filters, scenarios, set: parametersOf(run) })
  const chosen = [...written.filter((_, index) => fits[index]), ...specifications(derived.files)]
  const isIdle = async (filter: string) =>
    !derived.sources.includes(filter) &&
    !(await Promise.all(scenarios.map((file) => fitsAny(file, [filter])))).includes(true)
  const idle = await Promise.all(filters.map(isIdle))
  const strange = filters.filter((_, index) => idle[index])
  if (chosen.length > 0 && strange.length === 0) return chosen
  // What is wrong with it is better told by whoever would read it: there is no such file, say.
  for (const file of strange.filter(isNamedAsTopology)) await (await import('../topology/load.ts')).loadTopology(file)
  const which = strange.length > 0 ? ` matches ${strange.map((filter) => `"${filter}"`).join(' or ')}` : ''
  throw new HoldfastError(
    'HOLDFAST_NO_SCENARIO',
    `no scenario below ${process.cwd()}${which}; scenarios are files named *.scenario.ts, and a filter is a part of their path or the name of their topology`,
  )
}

async function withSource(
  specifications: TestSpecification[],
  fits: ScenarioRun['source'],
): Promise<TestSpecification[]> {
  if (fits === undefined) return specifications
  const sources = await Promise.all(specifications.map(({ moduleId }) => readFile(moduleId, 'utf8')))
  return specifications.filter((_, at) => fits(sources[at]!))
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
  /** Evidence of runs whose workers could not tell of it. */
  swept: readonly string[] = []
  /** Whether files did not come to their end: with `bail`, or because their worker was ended. */
  isCutShort = false
  readonly #begun = Promise.withResolvers<void>()
  /** The first file has begun. */
  readonly begun = this.#begun.promise
  readonly #atWork = new Set<TestModule>()
  readonly #ended = new Set<TestModule>()
  readonly #pattern: RegExp | undefined
  readonly #count = { all: 0, ended: 0, failed: 0 }
  /** Files in the order in which they were chosen. */
  #files: readonly string[] = []

  readonly #isQuiet: boolean
  readonly #backend: BackendName

  constructor(pattern: RegExp | undefined, isQuiet: boolean, backend: BackendName) {
    this.#pattern = pattern
    this.#isQuiet = isQuiet
    this.#backend = backend
  }

  /** What a scenario prints is for whoever looks for a mistake in it; stdout is that of the command. */
  onUserConsoleLog({ content }: { content: string }): void {
    printNote(redact(content))
  }

  onTestRunStart(specifications: ReadonlyArray<TestSpecification>): void {
    this.#files = specifications.map(({ moduleId }) => fromHere(moduleId))
  }

  onTestModuleQueued(module: TestModule): void {
    this.#begun.resolve()
    this.#atWork.add(module)
  }

  /** A file has begun and not ended. */
  get isAtWork(): boolean {
    return this.#atWork.size > 0
  }

  onTestModuleCollected(module: TestModule): void {
    this.#count.all += this.#casesOf(module).length
  }

  /** Those that are asked for. */
  #casesOf(module: TestModule): TestCase[] {
    return [...module.children.allTests()].filter(({ fullName }) => this.#pattern?.test(fullName) ?? true)
  }

  /** A file ends when it ends; what was chosen first is told first. */
  inOrder(): ScenarioResult[] {
    const place = ({ file }: ScenarioResult) => this.#files.indexOf(file)
    return this.results.toSorted((a, b) => place(a) - place(b))
  }

  async onTestCaseResult(test: TestCase): Promise<void> {
    const { state } = test.result()
    if (this.#pattern?.test(test.fullName) ?? true) this.#count.ended += 1
    if (state === 'failed') this.#count.failed += 1
    const { all, ended, failed } = this.#count
    printProgress('scenarios', `${ended} of ${all} tests${failed > 0 ? `, ${failed} failed` : ''}`)
    const { kept } = test.meta()
    if (kept === undefined || this.kept.some(({ run }) => run === kept.run)) return
    this.kept.push(kept)
    const { keptText } = await import('./describe-site.ts')
    printPhase('failed', 'kept', `${kept.run}, as it was when "${test.fullName}" failed`)
    printNote(`\n${await keptText(kept)}\nThe run waits for that, and goes on.`)
  }

  onTestModuleEnd(module: TestModule): void {
    this.#ended.add(module)
    this.#atWork.delete(module)
    const scenario = claimOf(module)
    const cases = this.#casesOf(module)
    const tests = cases.map((test) => resultOf(test, this.#backend))
    // The file itself, or what it stands on (its site), failed: its tests did not come to run.
    const broken = module.errors().map((error) => this.#broken(scenario, wholeFile, error, fromHere(module.moduleId)))
    this.results.push(...broken, ...tests)
    // A file has one site: each of its tests tells the same.
    const findings = cases.map((test) => test.meta().findings).find((told) => told !== undefined) ?? []
    this.findings.push(...findings.map((finding) => ({ scenario, ...finding })))
    if (this.#isQuiet || tests.length + broken.length === 0) return
    const { failed = [], passed = [], 'did not run': skipped = [] } = byState(tests)
    const mark = failed.length + broken.length > 0 ? 'failed' : passed.length > 0 ? 'done' : 'note'
    const counts = [
      `${passed.length} of ${plural(tests.length, 'test')} passed`,
      ...(skipped.length > 0 ? [`${skipped.length} did not run`] : []),
    ]
    printPhase(mark, scenario, `${counts.join(', ')}  ${seconds(module.diagnostic().duration)}`)
  }

  onTestRunEnd(modules: ReadonlyArray<TestModule>, unhandled: ReadonlyArray<SerializedError>): void {
    const cutShort = modules.filter((module) => !this.#ended.has(module))
    this.isCutShort = cutShort.length > 0
    const ended = [...this.#ended].map(({ moduleId }) => fromHere(moduleId))
    for (const module of cutShort) this.onTestModuleEnd(module)
    const told = new Set([...ended, ...this.results.map(({ file }) => file)])
    for (const file of this.#files.filter((one) => !told.has(one))) this.results.push(unbegun(file))
    this.results.push(...unhandled.map((error) => this.#broken('outside of any test', 'unhandled error', error, '')))
  }

  /** Of what failed and is no test. */
  #broken(scenario: string, name: string, error: SerializedError, file: string): ScenarioResult {
    const failure = failureText({ scenario, name, file }, [error], { again: againIn(file), backend: this.#backend })
    return { scenario, name, file, state: 'failed', ms: 0, failure, cause: 'error' }
  }
}

function byState(results: readonly ScenarioResult[]) {
  return Object.groupBy(results, ({ state }) => state)
}

/** Failures first, by cause; and how many there are of each. */
export function tallied(results: readonly ScenarioResult[]): Tally & Pick<ScenarioReport, 'scenarios'> {
  const { failed = [], passed = [], 'did not run': didNotRun = [] } = byState(results)
  const causes = causesOf(failed)
  return {
    passed: passed.length,
    failed: causes.length,
    follow: failed.length - causes.length,
    didNotRun: didNotRun.map(({ scenario, name, reason = '' }) => ({ name: `${scenario}: ${name}`, reason })),
    scenarios: [...failed, ...passed, ...didNotRun],
  }
}

async function reportOf(collector: ResultCollector, covers: boolean): Promise<ScenarioReport> {
  const { findings, swept } = collector
  const results = collector.inOrder()
  const { scenarios, ...tally } = tallied(results)
  const sites = new Map(scenarios.flatMap(({ file, evidence }) => (evidence ? [[evidence, file] as const] : [])))
  const evidence = [...sites].filter(([folder]) => !isEvidenceGone(folder)).map(([folder, file]) => ({ file, folder }))
  const unproven = results.flatMap(({ calls = [] }) => calls.filter(({ weakerProof }) => weakerProof !== undefined))
  const weaker = Map.groupBy(unproven, ({ to, weakerProof }) => `${to} ${weakerProof}`)
  return {
    ...tally,
    scenarios,
    evidence: runsFolder(),
    preflight: findings,
    weakerProofs: [...weaker.values()].map((some) => {
      return { node: some[0]!.to, proof: some[0]!.weakerProof!, calls: some.length }
    }),
    runs: [...new Set([...results.flatMap(({ evidence }) => evidence ?? []), ...swept])],
    ...(covers && evidence.length > 0 && { guards: await guardCoverage(evidence, declaredGuards) }),
  }
}

function resultOf(test: TestCase, backend: BackendName): ScenarioResult {
  const result = test.result()
  const { evidence, calls, measured, failure: told, page, again } = test.meta()
  const common = {
    scenario: claimOf(test.module),
    name: test.fullName,
    file: fromHere(test.module.moduleId),
    ms: Math.round(test.diagnostic()?.duration ?? 0),
    line: test.location?.line,
    ...{ evidence, calls, measured },
  }
  if (result.state === 'passed') return { ...common, state: 'passed' }
  if (result.state === 'failed') {
    const failure = failureText(common, result.errors, { again, backend })
    const [at] = result.errors.flatMap(placeOf)
    return { ...common, state: 'failed', failure, told, at, page, cause: causeOf(result.errors) }
  }
  const reason = result.state === 'skipped' ? result.note : 'the run, or the process of its file, ended before it'
  return { ...common, state: 'did not run', reason: reason ?? 'its file says skip' }
}

/** Of a file whose tests nobody knows: with `bail`, the run may end before it begins. */
function unbegun(file: string): ScenarioResult {
  const reason = 'the run ended before it'
  return { scenario: basename(dirname(file)), name: wholeFile, file, state: 'did not run', ms: 0, reason }
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
  { again = `npx holdfast test ${file}`, backend }: { again?: string | undefined; backend: BackendName },
): string {
  const lines = errors.flatMap((error) => [
    ...error.message.split('\n'),
    ...String(error.diff ?? '')
      .split('\n')
      .filter(Boolean),
    ...causes(error),
    ...placeOf(error).map((place) => `at        ${place}`),
  ])
  if (file !== '' && !lines.some((line) => /holdfast (test|attack)/.test(line))) {
    lines.push(`again     ${again}${backend === standardBackend ? '' : ` --backend ${backend}`}`)
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
  return frame ? [`${fromHere(frame.file)}:${frame.line}`] : []
}
