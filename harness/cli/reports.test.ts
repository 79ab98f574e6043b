import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { z } from 'zod'
import type { ToldFailure } from '../site/told-failure.ts'
import { githubText } from './github.ts'
import { junitText } from './junit.ts'
import { askedReports, placeOf, writeReports } from './reports.ts'
import type { ScenarioReport, ScenarioResult } from './run-scenarios.ts'
import { sarifText } from './sarif.ts'

let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-reports-'))
  const derived = join(folder, 'lab', '.holdfast', 'derived', 'lab-withstands-attacks')
  await mkdir(derived, { recursive: true })
  await writeFile(join(folder, 'lab', 'my lab.json'), '{ "name": "lab",\n  "nodes": {\n    "gateway": {} } }\n')
  await writeFile(join(derived, 'lab-withstands-attacks.scenario.ts'), 'await attacks("../../../my lab.json", {})\n')
})

afterEach(() => {
  vi.restoreAllMocks()
  vi.unstubAllEnvs()
})

afterAll(() => rm(folder, { recursive: true, force: true }))

/** In a folder of a repository that CI has checked out. */
function inLab(): void {
  vi.stubEnv('GITHUB_WORKSPACE', folder)
  vi.spyOn(process, 'cwd').mockReturnValue(join(folder, 'lab'))
}

const derivedFile = join('.holdfast', 'derived', 'lab-withstands-attacks', 'lab-withstands-attacks.scenario.ts')
const rule = { id: 'PEER-01', title: 'a token works for its holder only', clause: 'RFC 8705 section 3; CVE-1' }
const told = (sentence: string): ToldFailure => {
  const lines = [['its log', 'first', '::error::100 %'] as const]
  return { cause: 'unbound', rank: 'other', node: 'gateway', rule, sentence, told: lines }
}
const result = (name: string, parts: Partial<ScenarioResult>): ScenarioResult => {
  return {
    scenario: 'own',
    name,
    file: 'own/own.scenario.ts',
    state: 'failed',
    ms: 1_250,
    cause: 'assertion',
    ...parts,
  }
}
const derived = { scenario: 'lab-withstands-attacks', file: derivedFile }
const stolen = result('stolen', { ...derived, told: { ...told('gateway call: lets in, all'), rank: 'plain' } })
const twice = result('twice <b>', { ...derived, told: told('gateway call: "twice"') })
const broken = result('comes up', {
  cause: 'error',
  failure: '✗ own: comes up\n    no CA \u0000today\u001b[31m!\r\n    at        x',
  line: 7,
})
const good = result('good', { state: 'passed', cause: undefined })
const left = result('left', { state: 'did not run', cause: undefined, reason: 'lacks a, & b' })

function reportOf(...scenarios: ScenarioResult[]): ScenarioReport {
  const of = (state: ScenarioResult['state']) => scenarios.filter((one) => one.state === state)
  const didNotRun = of('did not run').map(({ name, reason = '' }) => ({ name, reason }))
  return { scenarios, passed: of('passed').length, failed: of('failed').length, didNotRun } as unknown as ScenarioReport
}

test('JUnit: each test once, with why it did not run, or how it failed, and what a failure follows from', () => {
  expect(junitText(reportOf(twice, stolen, good, left, broken))).toBe(`<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="holdfast" tests="5" failures="2" errors="1" skipped="1" time="6.250">
<testsuite name="lab-withstands-attacks" tests="2" failures="2" errors="0" skipped="0" time="2.500">
<testcase classname="lab-withstands-attacks" name="twice &lt;b&gt;" file="${derivedFile}" time="1.250">
<failure message="gateway call: &quot;twice&quot; (follows from &quot;stolen&quot;)" type="unbound">
    test      lab-withstands-attacks: twice &lt;b&gt;
    its log   first
              ::error::100 %
</failure>
</testcase>
<testcase classname="lab-withstands-attacks" name="stolen" file="${derivedFile}" time="1.250">
<failure message="gateway call: lets in, all" type="unbound">
    test      lab-withstands-attacks: stolen
    its log   first
              ::error::100 %
</failure>
</testcase>
</testsuite>
<testsuite name="own" tests="3" failures="0" errors="1" skipped="1" time="3.750">
<testcase classname="own" name="good" file="own/own.scenario.ts" time="1.250"/>
<testcase classname="own" name="left" file="own/own.scenario.ts" time="1.250">
<skipped message="lacks a, &amp; b"/>
</testcase>
<testcase classname="own" name="comes up" file="own/own.scenario.ts" time="1.250">
<error message="own: comes up" type="error">
    no CA \ufffdtoday!&#13;
    at        x
</error>
</testcase>
</testsuite>
</testsuites>
`)
})

/** What the published schema demands of the members that are written, and that there are no others. */
const text = z.strictObject({ text: z.string().min(1) })
const sarif = z.strictObject({
  $schema: z.url(),
  version: z.literal('2.1.0'),
  runs: z.array(
    z.strictObject({
      tool: z.strictObject({
        driver: z.strictObject({
          name: z.string(),
          version: z.string(),
          rules: z
            .array(z.strictObject({ id: z.string(), shortDescription: text, help: text, helpUri: z.url().optional() }))
            .refine((rules) => new Set(rules.map(({ id }) => id)).size === rules.length),
        }),
      }),
      columnKind: z.enum(['utf16CodeUnits', 'unicodeCodePoints']),
      invocations: z.array(
        z.strictObject({
          executionSuccessful: z.boolean(),
          toolExecutionNotifications: z.array(
            z.strictObject({ level: z.enum(['none', 'note', 'warning', 'error']), message: text }),
          ),
        }),
      ),
      results: z.array(
        z.strictObject({
          ruleId: z.string(),
          level: z.enum(['none', 'note', 'warning', 'error']),
          message: text,
          locations: z
            .array(
              z.strictObject({
                physicalLocation: z.strictObject({
                  artifactLocation: z.strictObject({ uri: z.string().regex(/^[^\s/]\S*$/), uriBaseId: z.string() }),
                  region: z.strictObject({ startLine: z.int().min(1) }),
                }),
              }),
            )
            .optional(),
          partialFingerprints: z.record(z.string(), z.string()),
        }),
      ),
    }),
  ),
})

test('SARIF: a result for each cause, at its line, with its rule; what did not run is told, and nothing run is no success', async () => {
  inLab()
  const [run] = sarif.parse(JSON.parse(await sarifText(reportOf(twice, stolen, good, left, broken)))).runs
  const { tool, results, invocations } = run!

  expect(results.map(({ ruleId }) => ruleId)).toEqual(['PEER-01', 'own'])
  expect(results[0]!.message.text).toBe(
    [
      'gateway call: lets in, all',
      '    test      lab-withstands-attacks: stolen',
      '    its log   first',
      '              ::error::100 %',
      '1 more failure with the same cause',
    ].join('\n'),
  )
  expect(results.map(({ locations = [] }) => locations[0]?.physicalLocation)).toEqual([
    { artifactLocation: { uri: 'lab/my%20lab.json', uriBaseId: '%SRCROOT%' }, region: { startLine: 3 } },
    { artifactLocation: { uri: 'lab/own/own.scenario.ts', uriBaseId: '%SRCROOT%' }, region: { startLine: 7 } },
  ])
  expect(tool.driver.rules[0]).toEqual({
    id: 'PEER-01',
    shortDescription: { text: rule.title },
    help: { text: `${rule.title}: ${rule.clause}` },
    helpUri: 'https://www.rfc-editor.org/rfc/rfc8705#section-3',
  })
  expect(invocations).toEqual([
    {
      executionSuccessful: true,
      toolExecutionNotifications: [{ level: 'warning', message: { text: 'left did not run: lacks a, & b' } }],
    },
  ])
  const nothing = sarif.parse(JSON.parse(await sarifText(reportOf(left)))).runs[0]!
  expect(nothing).toMatchObject({ results: [], invocations: [{ executionSuccessful: false }] })
})

test('GitHub: a command for each cause at its line, and one for what did not run; what a target says is part of none', async () => {
  inLab()
  const lines = (await githubText(reportOf(twice, stolen, good, left))).split('\n')

  expect(lines).toEqual([
    '::error file=lab/my lab.json,line=3,title=gateway call%3A lets in%2C all::    test      lab-withstands-attacks: stolen%0A    its log   first%0A              ::error::100 %25%0A1 more failure with the same cause',
    '::warning title=1 test did not run::lacks a, & b',
  ])
  expect(await githubText(reportOf(good))).toBe('')
})

test('what failed has a place: the line that vitest names, or that of its test; a failure outside of any file has none', async () => {
  inLab()
  const failed = result('a', { at: 'own/own.scenario.ts:12', line: 3 })

  expect(await placeOf(failed)).toEqual({ path: 'lab/own/own.scenario.ts', line: 12 })
  expect(await placeOf(result('a', {}))).toEqual({ path: 'lab/own/own.scenario.ts', line: 1 })
  expect(await placeOf({ ...stolen, told: undefined })).toEqual({ path: 'lab/my lab.json', line: 1 })
  expect(await placeOf(result('a', { file: '' }))).toBeUndefined()
})

test('a report is asked for by its form, and may name a file', () => {
  expect(askedReports('sarif=a=b.sarif', askedReports('junit'))).toEqual([
    { form: 'junit', file: undefined },
    { form: 'sarif', file: 'a=b.sarif' },
  ])
  for (const wrong of ['html', 'junit=', '=x', 'toString'])
    expect(() => askedReports(wrong)).toThrow(/junit, sarif, github/)
})

test('a report makes the folders of its file; where it cannot be written, that is said', async () => {
  const written = vi.spyOn(process.stdout, 'write').mockReturnValue(true)
  const [file, report] = [join(folder, 'out', 'deep', 'r.xml'), reportOf(good)]
  await writeReports(report, { reporter: [{ form: 'junit', file }, { form: 'github' }], isTaken: false })

  expect(await readFile(file, 'utf8')).toBe(junitText(report))
  expect(written).not.toHaveBeenCalled()
  const below = join(file, 'r.xml')
  await expect(
    writeReports(report, { reporter: [{ form: 'sarif', file: below }], isTaken: false }),
  ).rejects.toMatchObject({
    code: 'HOLDFAST_REPORT_NOT_WRITTEN',
    message: expect.stringContaining(`cannot be written to ${below}`),
  })
})
