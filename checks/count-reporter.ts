import { writeFileSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import type { Reporter, SerializedError, TestCase, TestModule } from 'vitest/node'
import { type SeenTest, wholeFile } from '../harness/evidence/parity.ts'

/** A test, and why it failed or was skipped. */
export interface Told {
  readonly name: string
  readonly reason: string
}

/** What one vitest run did, for the sum at the end of `npm test`. */
export interface Count {
  passed: number
  failed: Told[]
  skipped: Told[]
  /** Test files that were run, absolute. */
  files: string[]
  /** Folders of evidence of the sites that scenarios ran on, with the scenario's file, absolute. */
  sites: { file: string; folder: string }[]
  /** What came of each test of a scenario that was chosen for the run. */
  seen: SeenTest[]
  /** Tests of scenarios that were not. */
  leftOut: { file: string; name: string }[]
  /** CPU time that each file used, with all programs that it started; absent where the machine does not say. */
  cpu: { file: string; seconds: number }[]
}

/** Writes a {@link Count} to the file that `HOLDFAST_COUNT_FILE` names. Unlike vitest's JSON report it keeps why a test was skipped. */
export default class CountReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    const files = modules.map(({ moduleId }) => moduleId)
    const sites = modules.flatMap(sitesOf)
    const cpu = modules.flatMap(cpuOf)
    const count: Count = { passed: 0, failed: [], skipped: [], files, sites, seen: [], leftOut: [], cpu }
    for (const module of modules) {
      // A file that broke outside of its tests fails once, beside the tests that it kept from running.
      if (module.errors().length > 0) {
        count.failed.push({ name: module.relativeModuleId, reason: reasonOf(module.errors()) })
      }
      for (const test of module.children.allTests()) add(count, test)
      if (module.moduleId.endsWith('.scenario.ts')) addSeen(count, module)
    }
    for (const error of unhandled)
      count.failed.push({ name: 'an error outside of any test', reason: reasonOf([error]) })
    writeFileSync(process.env.HOLDFAST_COUNT_FILE ?? '', JSON.stringify(count))
  }
}

function sitesOf(module: TestModule): Count['sites'] {
  const folders = [...module.children.allTests()].flatMap((test) => {
    const { evidence } = test.meta() as { evidence?: string }
    return evidence === undefined ? [] : [evidence]
  })
  return [...new Set(folders)].map((folder) => ({ file: module.moduleId, folder }))
}

function cpuOf(module: TestModule): Count['cpu'] {
  const { cpuSeconds } = module.meta() as { cpuSeconds?: number }
  return cpuSeconds === undefined ? [] : [{ file: module.moduleId, seconds: cpuSeconds }]
}

function add(count: Count, test: TestCase): void {
  if (test.meta().leftOut) return
  const result = test.result()
  if (result.state === 'passed') count.passed++
  else if (result.state === 'failed') count.failed.push({ name: nameOf(test), reason: reasonOf(result.errors) })
  else if (test.module.errors().length === 0) {
    const reason = (result.state === 'skipped' && result.note) || 'its name says why'
    count.skipped.push({ name: nameOf(test), reason })
  }
}

/** What parity is held on: of a file that broke, too, for its tests did not run then. */
function addSeen({ seen, leftOut }: Count, module: TestModule): void {
  const file = module.relativeModuleId
  const scenario = basename(dirname(file))
  const broken = module.errors()
  if (broken.length > 0) seen.push({ scenario, name: wholeFile, file, state: 'failed', failure: firstLine(broken) })
  for (const test of module.children.allTests()) {
    const { calls, evidence, page, failure: told, leftOut: isLeftOut } = test.meta()
    const result = test.result()
    const named = { scenario, name: test.fullName, file }
    if (isLeftOut) leftOut.push({ file, name: test.fullName })
    else if (result.state === 'passed') seen.push({ ...named, state: 'passed', calls, evidence })
    else if (result.state === 'failed') {
      const failure = told?.cause ?? firstLine(result.errors)
      seen.push({ ...named, state: 'failed', failure, calls, evidence, page })
    } else
      seen.push({
        ...named,
        state: 'did not run',
        reason: (result.state === 'skipped' && result.note) || 'its file broke',
      })
  }
}

function firstLine(errors: readonly SerializedError[]): string {
  return reasonOf(errors).split('\n')[0] ?? ''
}

function nameOf(test: TestCase): string {
  return `${test.module.relativeModuleId}: ${test.fullName}`
}

/** What was thrown, with what was compared where that is known. */
function reasonOf(errors: readonly SerializedError[]): string {
  return errors
    .map(({ message, diff }) => stripVTControlCharacters([message, diff].filter(Boolean).join('\n')))
    .join('\n')
}
