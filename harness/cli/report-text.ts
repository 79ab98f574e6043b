import { relative } from 'node:path'
import { type Parity, parityText } from '../evidence/parity.ts'
import type { ToldCall } from '../site/evidence-text.ts'
import { type Cause, causesOf } from './causes.ts'
import { exitCode } from './failure.ts'
import type { GroundsReport } from './grounds.ts'
import { indexFile } from './last-test.ts'
import { columnsOf, hanging, paint, plural, printResult, seenWidth } from './output.ts'
import type { ScenarioReport, ScenarioResult, Tally } from './run-scenarios.ts'

/** So many passed tests are told one by one. */
const fewPassed = 12
/** So many causes are told whole. */
const fewCauses = 5

/** Causes first, so that what is wrong stands at the top; then what passed, unless that is too much or not asked for, and `details`. */
export function printTests(
  { scenarios }: ScenarioReport,
  { details = [], quiet }: { details?: readonly string[]; quiet?: boolean } = {},
): void {
  const width = columnsOf(process.stdout)
  const causes = causesOf(scenarios)
  const whole = causes.slice(0, fewCauses).map((cause) => causeText(cause, width))
  const rest = causes
    .slice(fewCauses)
    .flatMap(({ root, followers }) => [
      hanging(
        `✗ ${headOf(root)}${followers.length > 0 ? ` (and ${followers.length} that follow from it)` : ''}`,
        width,
        2,
      ),
      ...detailsOf(root, width).filter((line) => /^ {4}(test|again) /.test(line)),
    ])
  const passed = quiet ? [] : passedText(scenarios, width)
  const blocks = [...whole, rest.join('\n'), passed.join('\n'), ...(quiet ? [] : details)].filter(Boolean)
  for (const [at, text] of blocks.entries()) printResult(at === 0 ? text : `\n${text}`)
}

/** One cause: what happened, in which test, and how many others follow from it. */
function causeText({ root, followers }: Cause, width: number): string {
  const follow = followLines(followers).map((line) => `    ${line}: ${indexFile}`)
  const head = hanging(`✗ ${headOf(root)}`, width, 2)
  return [root.told ? paint('red', head) : head, ...detailsOf(root, width), ...follow].join('\n')
}

/** How many others follow from a cause; none where none do. */
export function followLines(followers: Cause['followers']): string[] {
  return followers.length === 0 ? [] : [`${plural(followers.length, 'more failure')} with the same cause`]
}

/** What failed, in one line. */
export function headOf({ told, scenario, name }: ScenarioResult): string {
  return told?.sentence ?? `${scenario}: ${name}`
}

/** Everything that is told about a failure below its first line. */
export function detailsOf(result: ScenarioResult, width = Number.POSITIVE_INFINITY): string[] {
  const { told, failure = '', scenario, name, at } = result
  const [, ...untold] = failure.split('\n')
  if (told === undefined) return untold.map((line) => hanging(line, width, 14))
  const lines = [
    ['test', `${scenario}: ${name}`] as const,
    ...told.told,
    ...(at === undefined ? [] : [['at', at] as const]),
  ]
  return lines.flatMap(([label, ...texts]) =>
    texts.map((text, index) => {
      const shown = label === 'page' ? relative('', text) : text
      const line = `    ${(index === 0 ? label : '').padEnd(10)}${shown}`
      // What is typed, or opened, is of no use in pieces.
      return label === 'page' || label === 'again' ? line : hanging(line, width, 14)
    }),
  )
}

function passedText(scenarios: readonly ScenarioResult[], width: number): string[] {
  const passed = scenarios.filter(({ state }) => state === 'passed')
  if (passed.length <= fewPassed) return passed.map((one) => hanging(provenLine(one), width, 4))
  const byClaim = Map.groupBy(passed, ({ scenario }) => scenario)
  return [...byClaim]
    .map(([claim, own]) => `${paint('green', '✓')} ${claim}: ${plural(own.length, 'test')} passed`)
    .concat(`  each of them: ${indexFile}`)
}

/** Something failed, or nothing is proven, which is no success either. */
export function judge({ passed, failed }: Tally): void {
  if (failed > 0 || passed === 0) process.exitCode = exitCode.failed
}

/** Grounds that do not see the same fail, and so do those that saw nothing together: then nothing is proven of the other ones. */
export function judgeParity({ same, differing }: Parity): void {
  if (differing.length > 0 || same.length === 0) process.exitCode = exitCode.failed
}

/** What came of holding grounds against each other, in one line; why a test ran on some of them only stands once for each reason. */
export function parityLine(parity: Parity): string {
  const { same, differing, apart } = parity
  const isProven = differing.length === 0 && same.length > 0
  const reasons = new Set(apart.flatMap(({ not }) => not.map(({ ground, reason }) => `${ground}: ${reason}`)))
  const text = parity.grounds.length < 2 ? 'nothing was held against each other' : parityText(parity)
  return hangingParts([
    paint(isProven ? 'green' : 'red', text),
    ...(reasons.size > 0 ? [paint('yellow', [...reasons].join('; '))] : []),
  ])
}

/** Without what grounds saw alike, which the verdict on them counts. */
export function withoutAlike(report: GroundsReport): GroundsReport {
  const { parity } = report
  const ours = new Set(parity.same.map(({ on }) => ` on ${on.join(' and ')}`))
  const isAlike = ({ scenario, state }: ScenarioResult) =>
    state === 'passed' && [...ours].some((one) => scenario.endsWith(one))
  return parity.grounds.length < 2 ? report : { ...report, scenarios: report.scenarios.filter((one) => !isAlike(one)) }
}

/** `12 passed · 0 failed · 3 did not run (container: no Docker engine answers)`. Each reason stands once; `more` ends the line. */
export function verdictLine({ passed, failed, follow = 0, didNotRun }: Tally, more?: string): string {
  const reasons = [...new Set(didNotRun.map(({ reason }) => reason))]
  const parts = [
    paint(passed > 0 && failed === 0 ? 'green' : 'bold', `${passed} passed`),
    failed > 0 ? paint('red', `${failed} failed`) : `${failed} failed`,
    ...(follow > 0
      ? [paint('red', `${follow} more ${follow === 1 ? 'follows' : 'follow'} from ${failed === 1 ? 'it' : 'them'}`)]
      : []),
    didNotRun.length > 0 ? paint('yellow', `${didNotRun.length} did not run (${reasons.join('; ')})`) : '0 did not run',
    ...(more === undefined ? [] : [more]),
  ]
  return hangingParts(parts)
}

/** Parts of a line, which goes on below where a terminal is too narrow for it. */
function hangingParts(parts: readonly string[]): string {
  const line = parts.join(' · ')
  const width = columnsOf(process.stdout)
  // Colours would count as letters.
  return seenWidth(line) <= width
    ? line
    : parts.map((part, at) => hanging(at === 0 ? part : `· ${part}`, width, 2)).join('\n')
}

/** One line for a test that passed: `✓ claim: test → refused 401 issuer_untrusted (token.issuer), control ✓`. */
function provenLine({ scenario, name, calls = [], measured = [] }: ScenarioResult): string {
  const refusals = [...new Set(calls.filter(({ verdict }) => verdict === 'refused').map(refusalText))]
  const accepted = [...new Set(calls.filter(({ verdict }) => verdict === 'accepted').map(acceptText))]
  const times = measured.map(({ what, ms, boundMs }) => `${what} ${ms} of ${boundMs} ms`)
  const proven = [...(refusals.length > 0 ? refusals : accepted), ...times]
  const shown = proven.slice(0, 2).join('; ')
  const rest = proven.length > 2 ? `; and ${proven.length - 2} more` : ''
  return `${paint('green', '✓')} ${scenario}: ${name}${shown === '' ? '' : ` → ${shown}${rest}`}`
}

function refusalText({ status, layer, reason, guard, control, weakerProof }: ToldCall): string {
  const how = status === null ? `in ${layer === 'tls' ? 'TLS' : layer}` : String(status)
  const unproven = weakerProof === undefined ? 'for no recorded reason' : `by ${weakerProof}`
  const why = reason === null ? unproven : `${reason} (${guard ?? weakerProof ?? 'no guard'})`
  const beside = control === undefined ? '' : `, control ${control.accepted ? '✓' : '✗'}`
  return `refused ${how} ${why}${beside}`
}

function acceptText({ status, to, weakerProof }: ToldCall): string {
  const by = weakerProof === undefined ? to : `${to}, by ${weakerProof}`
  return `accepted ${status ?? ''} by ${by}`.replace('  ', ' ')
}
