import { realpathSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { flushCompileCache } from 'node:module'
import { basename, dirname, relative } from 'node:path'
import { expect, type TestAPI, type TestContext, test, vi } from 'vitest'
import { SiteNotReady } from '../backends/launched-site.ts'
import { ProgramMissing } from '../backends/plan-needs.ts'
import type { Finding } from '../credentials/finding.ts'
import { NoOther } from '../credentials/live-kind.ts'
import { guessedBy, redact, redactJson } from '../credentials/secrets.ts'
import { shellWord } from '../protocols/shell-word.ts'
import { settings, standardBackend } from '../settings.ts'
import type { Credential } from '../site/credential.ts'
import { isRunEnded, RunEnded } from '../site/end-of-run.ts'
import { failureSummary, type ToldCall } from '../site/evidence-text.ts'
import { Ground, type GroundParts, type ScenarioOptions } from '../site/ground.ts'
import { NotOurs } from '../site/insider.ts'
import { Judging } from '../site/judging.ts'
import type { KeptSite } from '../site/kept-site.ts'
import { type MeasuredTime, ScenarioSite, type TestName } from '../site/scenario-site.ts'
import { endSharedSites } from '../site/shared-sites.ts'
import { failedCall, notReadyFailure, type ToldFailure, toldFailure } from '../site/told-failure.ts'
import { until } from '../site/until.ts'
import { NotOffered } from '../tokens/metadata.ts'

/** Makes a credential of the plan anew for this test, when it is first used; `anew` makes one more like it. */
export interface CredentialFixture {
  (name: string): Credential
  /** Another certificate of the same names, or another token over the same certificate. */
  anew(name: string): Credential
}

/** What a test of a scenario gets. */
export interface ScenarioFixtures {
  site: ScenarioSite
  credential: CredentialFixture
}

/**
 * A vitest `test` over a topology: its name, or the path of its file, relative to the scenario file. A file has one site, launched for
 * it or taken over from the file before (`own`), and released whatever became of its tests; credentials are fresh for each test.
 *
 * @example
 * const test = scenario('separate-auth')
 * test('A refuses the token of the other auth server', async ({ site, credential }) => { … })
 */
export function scenario(topology: string, options: ScenarioOptions = {}): TestAPI<ScenarioFixtures> {
  return scenarioOn(options, shippedParts(topology, options))
}

/** The folder of the scenario file that is being collected: what the paths in it are relative to. */
export function scenarioFolder(): string {
  const { testPath } = expect.getState()
  return testPath === undefined ? '.' : dirname(testPath)
}

/** The parts that come with the harness: a topology by name or path, the backend of the settings. */
export function shippedParts(topology: string, options: ScenarioOptions): () => Promise<GroundParts> {
  const cwd = scenarioFolder()
  return async () => {
    const [{ loadTopology }, { backend, callParts, compile, credentialKinds }] = await Promise.all([
      import('../topology/load.ts'),
      import('../shipped.ts'),
    ])
    const { parameters, backend: chosen, keep, shareSites: shared, sabotage, mutants, at } = settings()
    const own = Object.entries(options.set ?? {}).map(([name, value]) => [name, String(value)])
    const set = { ...parameters, ...Object.fromEntries(own) }
    return {
      backend: backend(options.backend ?? chosen),
      ...(await callParts()),
      ...{ keep, shared, sabotage, mutants, at },
      plan: async () => compile(await loadTopology(topology, { set, cwd })),
      preflight: async (site) => (await import('../site/live-site.ts')).sitePreflight(site, credentialKinds),
    }
  }
}

/** A test that needs what is not ours, or what nobody offers, did not run, and says whose it is. */
export async function skipNotOurs(skip: TestContext['skip'], tried: Promise<void>): Promise<void> {
  await tried.catch((failure: unknown) => {
    if (failure instanceof NotOurs || failure instanceof NotOffered || failure instanceof NoOther) skip(failure.message)
    throw failure
  })
}

/** On other grounds than the standard one all may be some times as slow (`Site.slowness`), which is not known before a site is there. */
function longestMs(backend: string): number {
  return backend === standardBackend ? 180_000 : 1_200_000
}

/** The same over parts of the caller's own: another backend, other kinds. */
export function scenarioOn(options: ScenarioOptions, parts: () => Promise<GroundParts>): TestAPI<ScenarioFixtures> {
  const file = basename(scenarioFolder())
  // The first test of a file waits until its site is up, which says by itself what does not come up; vitest would end a test after 5 s.
  // Whoever tries mutants wants no answer that comes so late.
  if (settings().mutants === undefined) vi.setConfig({ testTimeout: longestMs(options.backend ?? settings().backend) })
  return (
    test
      // vitest ends such a fixture with the worker: then nobody comes any more who would take over a site.
      // biome-ignore lint/correctness/noEmptyPattern: see below.
      .extend('sharedSites', { scope: 'worker' }, ({}, { onCleanup }) => onCleanup(endSharedSites))
      // vitest reads the names of a fixture's dependencies from this pattern, so it has to be there, empty or not.
      .extend('ground', { scope: 'file' }, ({ sharedSites: _ }, { onCleanup }) => {
        const ground = new Ground(file, options, parts)
        onCleanup(async () => {
          await ground[Symbol.asyncDispose]()
          // vitest ends a worker by a signal, upon which Node would keep nothing of what it compiled.
          flushCompileCache()
        })
        return ground
      })
      .extend('conduct', { auto: true }, ({ task }, { onCleanup }) => {
        const conduct = { judging: new Judging() }
        if (options.again !== undefined) task.meta.again = options.again
        // One failure is enough: what broke off a test also kept it from judging.
        onCleanup(() => {
          if (task.result?.state === 'pass') conduct.judging.demand(assertionsOf(task))
        })
        return conduct
      })
      .extend('site', async ({ ground, conduct, task, skip, onTestFailed }, { onCleanup }) => {
        // A worker that was just starting when the run was cancelled has not heard of it.
        if (isRunEnded()) skip(new RunEnded().message)
        const missing = await ground.missing()
        if (missing !== undefined) skip(missing)
        const keep = async () => {
          task.meta.kept = await ground.keep()
        }
        const launched = await ground.site().catch(async (failure) => {
          if (failure instanceof ProgramMissing || failure instanceof RunEnded) skip(failure.message)
          if (failure instanceof SiteNotReady) {
            task.meta.failure = notReadyFailure(failure, nameOf(task, options.again).again)
          }
          await keep()
          throw failure
        })
        task.meta.findings = await ground.findings()
        const site = new ScenarioSite(launched, nameOf(task, options.again), ground.shared, await ground.parts())
        conduct.judging = site.judging
        task.meta.evidence = site.site.evidence
        onTestFailed(async ({ task: { result } }) => {
          task.meta.failure = await toldOf(site, task.fullTestName)
          task.meta.page = site.evidence
          await keepSummary(site, nameOf(task).name, result?.errors ?? [])
          await keep()
        })
        onCleanup(() => site[Symbol.asyncDispose]())
        return site
      })
      .extend('credential', ({ site }) => {
        const { credentials } = site
        return Object.assign((name: string) => credentials.named(name), {
          anew: (name: string) => credentials.anew(name),
        })
      }) as unknown as TestAPI<ScenarioFixtures>
  )
}

declare module 'vitest' {
  interface TaskMeta {
    /** What to type to run its file again, where that is not the path of it. */
    again?: string
    /** Folder that keeps the evidence of the site that this test ran on. */
    evidence?: string
    /** Times that this test held against a bound. */
    measured?: MeasuredTime[]
    /** The page of evidence of a test that failed. */
    page?: string
    /** How this test failed, where that is told by one of its calls. */
    failure?: ToldFailure
    /** Calls that this test made, in their order. */
    calls?: ToldCall[]
    /** What the preflight of its site found: no result of the test. */
    findings?: readonly Finding[]
    /** The site that this test ran on, where it failed and is kept running. */
    kept?: KeptSite
  }
}

type Task = TestContext['task']

/** A scenario is a claim: the name of its folder. */
function nameOf(task: Task, asked?: string): TestName {
  const claim = basename(dirname(task.file.filepath))
  task.meta.measured ??= []
  task.meta.calls ??= []
  const { measured, calls } = task.meta
  const file = asked ?? `npx holdfast test ${shellWord(relative(process.cwd(), realpathSync(task.file.filepath)))}`
  const { backend } = settings()
  const where = backend === standardBackend ? '' : ` --backend ${backend}`
  const again = `${file} -t ${shellWord(task.fullTestName)}${where}`
  return { name: `${claim}: ${task.fullTestName}`, again, measured, calls }
}

/** What is told of a failed call. The last line that a target printed may still be on its way. */
async function toldOf(site: ScenarioSite, test: string): Promise<ToldFailure | undefined> {
  const failed = failedCall(site.ledger)
  if (failed === undefined) return undefined
  const isThere = () => failed.verdict.log().length > 0
  if (site.about.rank === 'control')
    await until('a line of its log', isThere, { withinMs: 1_000, everyMs: 20 }).catch(() => {})
  return redactJson(toldFailure(site.ledger, site.about, test), site.site.secrets)
}

async function keepSummary(site: ScenarioSite, test: string, errors: readonly { message?: string }[]): Promise<void> {
  const failures = errors.map(({ message }) => message ?? 'no message')
  const verdicts = site.ledger.map(({ verdict }) => verdict)
  const { about } = site
  // What was presented may be of no kind's making, and known to nobody yet.
  for (const { sent = '' } of verdicts) site.site.secrets.add(guessedBy(sent))
  const summary = redact(failureSummary({ test, failures, verdicts, about }), site.site.secrets)
  await mkdir(dirname(site.evidence), { recursive: true, mode: 0o700 })
  await writeFile(site.evidence, summary, { mode: 0o600 })
}

/** How often a test called `expect` so far. */
function assertionsOf({ context }: TestContext['task']): number {
  const own = (context as { _local?: boolean })._local === true ? context.expect.getState().assertionCalls : 0
  return own + expect.getState().assertionCalls
}
