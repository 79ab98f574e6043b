import type { ToldCall } from '../site/evidence-text.ts'
import { exitCode } from './failure.ts'
import { paint, plural, printResult } from './output.ts'
import type { ScenarioReport, ScenarioResult, Tally } from './run-scenarios.ts'

/** Each test, then `details`; what many failures have in common comes last, where it is seen first. */
export function printTests({ scenarios }: ScenarioReport, details: readonly string[] = []): void {
  const failures = scenarios.flatMap(({ failure }) => failure ?? [])
  const below = [...failures, ...details, failureGroups(scenarios).join('\n')].filter(Boolean)
  for (const text of scenarios.filter(({ state }) => state === 'passed').map(provenLine)) printResult(text)
  for (const text of below) printResult(`\n${text}`)
}

/** Something failed, or nothing is proven, which is no success either. */
export function judge({ passed, failed }: Tally): void {
  if (failed > 0 || passed === 0) process.exitCode = exitCode.failed
}

/** `12 passed · 0 failed · 3 did not run (container: no Docker engine answers)`. Each reason stands once; `more` ends the line. */
export function verdictLine({ passed, failed, didNotRun }: Tally, more?: string): string {
  const reasons = [...new Set(didNotRun.map(({ reason }) => reason))]
  return [
    paint(passed > 0 && failed === 0 ? 'green' : 'bold', `${passed} passed`),
    failed > 0 ? paint('red', `${failed} failed`) : `${failed} failed`,
    didNotRun.length > 0 ? paint('yellow', `${didNotRun.length} did not run (${reasons.join('; ')})`) : '0 did not run',
    ...(more === undefined ? [] : [more]),
  ].join(' · ')
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

/** So few can be read one by one. */
const few = 3

/**
 * What many failures have in common, the largest group first: `35 of 39 failures: expected cnf_x5t_mismatch, received accepted 200`.
 * Empty where they are few.
 */
export function failureGroups(scenarios: readonly ScenarioResult[]): string[] {
  const failures = scenarios.flatMap(({ failure }) => failure ?? [])
  if (failures.length <= few) return []
  const groups = [...Map.groupBy(failures, expectedIn)].toSorted(([, a], [, b]) => b.length - a.length)
  return groups.map(([expected, alike]) => {
    const what = expected === undefined ? 'something broke, or was demanded otherwise' : `expected ${expected}`
    return `${alike.length} of ${plural(failures.length, 'failure')}: ${what}${receivedText(alike)}`
  })
}

/** The reason that was expected, which the matrix and attacks write in two ways; `accepted` where no refusal was. */
function expectedIn(failure: string): string | undefined {
  const text = lineOf(failure, 'expected')
  const words = text?.replace(/ \([^)]*\)$/, '').replace(/, for .*/, '')
  return /reason (\w+)/.exec(text ?? '')?.[1] ?? words?.split(' ').at(-1)
}

function receivedText(failures: readonly string[]): string {
  const received = failures.flatMap((failure) => lineOf(failure, 'received')?.replace(/ \([^)]*\)$/, '') ?? [])
  const [most, ...others] = [...Map.groupBy(received, String)].toSorted(([, a], [, b]) => b.length - a.length)
  if (most === undefined) return ''
  const [text, { length }] = most
  return `, received ${text}${others.length > 0 ? ` (${length}) and ${plural(others.length, 'other answer')}` : ''}`
}

function lineOf(failure: string, name: 'expected' | 'received'): string | undefined {
  return new RegExp(`^ +${name} {2}(.+)$`, 'm').exec(failure)?.[1]
}
