import { mkdir, writeFile } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { type TestAPI, type TestContext, test } from 'vitest'
import type { Credential } from './credential.ts'
import { failureSummary } from './evidence-text.ts'
import { FreshCredentials } from './fresh-credentials.ts'
import { Ground, type GroundParts, type ScenarioOptions, shippedParts } from './ground.ts'
import { type MeasuredTime, ScenarioSite, type TestName } from './scenario-site.ts'

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
 * A vitest `test` over a topology: its name, or the path of its file. The site is launched once per file and released when the
 * file is done, whatever became of its tests; credentials are fresh for each test.
 *
 * @example
 * const test = scenario('separate-auth')
 * test('A refuses the token of the other auth server', async ({ site, credential }) => { … })
 */
export function scenario(topology: string, options: ScenarioOptions = {}): TestAPI<ScenarioFixtures> {
  return scenarioOn(options, () => shippedParts(topology, options))
}

/** The same over parts of the caller's own: another backend, other kinds. */
export function scenarioOn(options: ScenarioOptions, parts: () => Promise<GroundParts>): TestAPI<ScenarioFixtures> {
  return (
    test
      // vitest reads the names of a fixture's dependencies from this pattern, so it has to be there, empty or not.
      // biome-ignore lint/correctness/noEmptyPattern: see above.
      .extend('ground', { scope: 'file' }, ({}, { onCleanup }) => {
        const ground = new Ground(options, parts)
        onCleanup(() => ground[Symbol.asyncDispose]())
        return ground
      })
      .extend('site', async ({ ground, task, skip, onTestFailed }, { onCleanup }) => {
        const missing = await ground.missing()
        if (missing !== undefined) skip(missing)
        const { kinds } = await ground.parts
        const site = new ScenarioSite(await ground.site(), kinds, nameOf(task), ground.shared)
        task.meta.evidence = site.site.evidence
        onTestFailed(({ task: { result } }) => keepSummary(site, nameOf(task).name, result?.errors ?? []))
        onCleanup(() => site[Symbol.asyncDispose]())
        return site
      })
      .extend('credential', ({ site }) => {
        const fresh = new FreshCredentials(site.site)
        return Object.assign((name: string) => fresh.named(name), { anew: (name: string) => fresh.anew(name) })
      }) as unknown as TestAPI<ScenarioFixtures>
  )
}

declare module 'vitest' {
  interface TaskMeta {
    /** Folder that keeps the evidence of the site that this test ran on. */
    evidence?: string
    /** Times that this test held against a bound. */
    measured?: MeasuredTime[]
  }
}

type Task = TestContext['task']

/** A scenario is a claim: the name of its folder. */
function nameOf(task: Task): TestName {
  const claim = basename(dirname(task.file.filepath))
  task.meta.measured ??= []
  return { name: `${claim}: ${task.name}`, again: `holdfast test ${claim}`, measured: task.meta.measured }
}

async function keepSummary(site: ScenarioSite, test: string, errors: readonly { message?: string }[]): Promise<void> {
  const failures = errors.map(({ message }) => message ?? 'no message')
  const summary = failureSummary(test, failures, site.ledger.verdicts)
  await mkdir(dirname(site.evidence), { recursive: true, mode: 0o700 })
  await writeFile(site.evidence, summary, { mode: 0o600 })
}
