import { plural } from './output.ts'
import type { ScenarioResult } from './run-scenarios.ts'

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
  const received = Map.groupBy(failures, (failure) => lineOf(failure, 'received')?.replace(/ \([^)]*\)$/, ''))
  const counted = [...received].flatMap(([text, { length }]) => (text === undefined ? [] : [{ text, length }]))
  const [most, ...others] = counted.toSorted((a, b) => b.length - a.length)
  if (most === undefined) return ''
  const rest = others.length > 0 ? ` (${most.length}) and ${plural(others.length, 'other answer')}` : ''
  return `, received ${most.text}${rest}`
}

function lineOf(failure: string, name: 'expected' | 'received'): string | undefined {
  return new RegExp(`^ +${name} {2}(.+)$`, 'm').exec(failure)?.[1]
}
