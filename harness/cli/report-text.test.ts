import { stripVTControlCharacters } from 'node:util'
import { afterEach, expect, test, vi } from 'vitest'
import type { ToldFailure } from '../site/told-failure.ts'
import { causesOf } from './causes.ts'
import { printTests, verdictLine } from './report-text.ts'
import type { ScenarioReport, ScenarioResult } from './run-scenarios.ts'

afterEach(() => void vi.restoreAllMocks())

const result = (name: string, parts: Partial<ScenarioResult>): ScenarioResult => {
  return { scenario: 's', name, file: 'f', state: 'failed', ms: 1, ...parts }
}
const failed = (name: string, cause: string, rank: ToldFailure['rank'] = 'other') => {
  const told = {
    cause,
    rank,
    node: 'gateway',
    sentence: `${cause}, says ${name}`,
    told: [
      ['likely', 'nobody looks'],
      ['again', 'npx x'],
    ],
  } as const
  return result(name, { told })
}
const broken = (name: string, why: string) => {
  return result(name, {
    failure: [`✗ s: ${name}`, `    ${why}`, `    again     npx holdfast test f -t ${name}`].join('\n'),
  })
}
const passed = result('good', { state: 'passed' })
const namesOf = (scenarios: ScenarioResult[]) =>
  causesOf(scenarios).map(({ root, followers }) => [root, ...followers].map(({ name }) => name))

/** What stands on stdout. */
function printed(scenarios: ScenarioResult[], columns?: number, quiet?: boolean): string[] {
  const written = vi.spyOn(process.stdout, 'write').mockReturnValue(true)
  written.mockClear()
  if (columns !== undefined) Object.assign(process.stdout, { isTTY: true, columns })
  printTests({ scenarios } as unknown as ScenarioReport, { details: ['evidence  there'], quiet })
  if (columns !== undefined) Object.assign(process.stdout, { isTTY: false })
  return written.mock.calls.flatMap(([text]) => stripVTControlCharacters(String(text)).trimEnd().split('\n'))
}

test('failures of one cause are one, told by the plainest, and who lets nobody in goes before all others', () => {
  const variant = failed('twice', 'unbound')
  const theft = failed('stolen', 'unbound', 'plain')
  const shut = failed('control', 'shut', 'control')

  expect(namesOf([variant, passed, theft, failed('late', 'expired'), shut])).toEqual([
    ['control'],
    ['stolen', 'twice'],
    ['late'],
  ])
})

test('what is let in without a check that lets in more follows from that, and what breaks one rule is told once', () => {
  const following = (name: string, cause: string, rule: string): ScenarioResult => {
    const { told } = failed(name, cause)
    return result(name, { told: { ...told!, follows: 'unsigned', breaks: rule } })
  }
  const [none, key, absent] = [
    following('alg none', 'alg', 'a rule'),
    following('jwk', 'key', 'another rule'),
    following('alg absent', 'header', 'a rule'),
  ]

  expect(namesOf([none, key, absent])).toEqual([['alg none', 'alg absent'], ['jwk']])
  expect(namesOf([none, key, absent, failed('tampered', 'unsigned', 'plain')])).toEqual([
    ['tampered', 'alg none', 'jwk', 'alg absent'],
  ])
  expect(namesOf([none, failed('changed', 'unsigned')])).toEqual([['changed', 'alg none']])
  expect(namesOf([none, failed('answers 500', 'other')])).toEqual([['alg none'], ['answers 500']])
})

test('that a rule is missed is told once, in however many ways', () => {
  const under = (name: string, cause: string, misses?: string): ScenarioResult => {
    return result(name, { told: { ...failed(name, cause).told!, misses } })
  }

  expect(namesOf([under('a', '500', 'a rule'), under('b', '401', 'a rule'), under('c', '502', 'another')])).toEqual([
    ['a', 'b'],
    ['c'],
  ])
  // What is about no rule is told by its own call.
  expect(namesOf([under('a', '500'), under('b', '401')])).toEqual([['a'], ['b']])
})

test('what broke before any call is one cause where it broke in the same words', () => {
  expect(namesOf([broken('a', 'no CA today'), broken('b', 'no CA today'), broken('c', 'something else')])).toEqual([
    ['a', 'b'],
    ['c'],
  ])
})

test('the cause stands at the top, what follows from it is a count, and many passed tests are one line for each claim', () => {
  const many = Array.from({ length: 13 }, (_, at) => result(`p${at}`, { state: 'passed' }))
  const lines = printed([failed('stolen', 'unbound', 'plain'), failed('twice', 'unbound'), ...many])

  expect(lines).toEqual([
    '✗ unbound, says stolen',
    '    test      s: stolen',
    '    likely    nobody looks',
    '    again     npx x',
    '    1 more failure with the same cause: .holdfast/last-test.md',
    '',
    '✓ s: 13 tests passed',
    '  each of them: .holdfast/last-test.md',
    '',
    'evidence  there',
  ])
})

test('where there are many causes, the later ones are told by their tests, and by how to run them again', () => {
  const lines = printed(Array.from({ length: 6 }, (_, at) => failed(`t${at}`, `cause ${at}`)))

  expect(lines.slice(lines.indexOf('✗ cause 5, says t5'), -2)).toEqual([
    '✗ cause 5, says t5',
    '    test      s: t5',
    '    again     npx x',
  ])
})

test('a terminal breaks no word, but for what is typed', () => {
  const long = failed(
    'a test with a rather long name that goes on',
    'a cause that takes a whole sentence to be told',
    'plain',
  )
  const lines = printed([long, passed], 50)

  expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(50)
  expect(lines.slice(0, 4)).toEqual([
    '✗ a cause that takes a whole sentence to be',
    '  told, says a test with a rather long name that',
    '  goes on',
    '    test      s: a test with a rather',
  ])
})

test('quiet is causes alone', () => {
  expect(printed([failed('stolen', 'unbound'), passed], undefined, true)).toHaveLength(4)
  expect(printed([passed], undefined, true)).toEqual([])
})

test('the verdict counts causes, and apart from them what follows', () => {
  expect(verdictLine({ passed: 3, failed: 1, follow: 33, didNotRun: [] })).toBe(
    '3 passed · 1 failed · 33 more follow from it · 0 did not run',
  )
  expect(verdictLine({ passed: 0, failed: 2, follow: 1, didNotRun: [] })).toContain('1 more follows from them')
})
