import { stripVTControlCharacters } from 'node:util'
import { causesOf } from './causes.ts'
import { detailsOf, headOf } from './report-text.ts'
import type { ScenarioReport, ScenarioResult } from './run-scenarios.ts'

/** JUnit's XML, as CI servers read it: a suite for each claim, and each test with its reason, or the cause of its failure. */
export function junitText({ scenarios }: ScenarioReport): string {
  const roots = new Map(causesOf(scenarios).flatMap(({ root, followers }) => followers.map((one) => [one, root])))
  const suites = [...Map.groupBy(scenarios, ({ scenario }) => scenario)].map(([name, own]) =>
    element(
      'testsuite',
      { name, ...countsOf(own) },
      own.map((one) => testcase(one, roots.get(one))),
    ),
  )
  const all = element('testsuites', { name: 'holdfast', ...countsOf(scenarios) }, suites)
  return `<?xml version="1.0" encoding="UTF-8"?>\n${all}\n`
}

function testcase(result: ScenarioResult, root: ScenarioResult | undefined): string {
  const { scenario, name, file, ms, state, reason, cause, told } = result
  const attributes = { classname: scenario, name, file, time: inSeconds(ms) }
  if (state === 'passed') return element('testcase', attributes)
  if (state === 'did not run') return element('testcase', attributes, [element('skipped', { message: reason })])
  const message = root === undefined ? headOf(result) : `${headOf(result)} (follows from "${root.name}")`
  const how = element(
    cause === 'error' ? 'error' : 'failure',
    { message, type: told?.cause ?? cause },
    detailsOf(result).map(escaped),
  )
  return element('testcase', attributes, [how])
}

function countsOf(results: readonly ScenarioResult[]) {
  const failed = results.filter(({ state }) => state === 'failed')
  const errors = failed.filter(({ cause }) => cause === 'error').length
  return {
    tests: results.length,
    failures: failed.length - errors,
    errors,
    skipped: results.filter(({ state }) => state === 'did not run').length,
    time: inSeconds(results.reduce((sum, { ms }) => sum + ms, 0)),
  }
}

function inSeconds(ms: number): string {
  return (ms / 1000).toFixed(3)
}

function element(
  name: string,
  attributes: Readonly<Record<string, string | number | undefined>>,
  content: readonly string[] = [],
): string {
  const pairs = Object.entries(attributes).filter(([, value]) => value !== undefined)
  // A line break in an attribute would be read as a blank.
  const head = [name, ...pairs.map(([key, value]) => `${key}="${escaped(`${value}`).replaceAll('\n', '&#10;')}"`)]
  return content.length === 0 ? `<${head.join(' ')}/>` : `<${head.join(' ')}>\n${content.join('\n')}\n</${name}>`
}

const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }

/** XML 1.0 section 2.2 has no word for most control characters, and none for half of a surrogate pair. */
function escaped(text: string): string {
  return stripVTControlCharacters(text)
    .replaceAll(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, '\ufffd')
    .replaceAll(/[&<>"]/g, (one) => entities[one]!)
    .replaceAll('\r', '&#13;')
}
