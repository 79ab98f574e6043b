import { expect, test } from 'vitest'
import { failureGroups } from './report-text.ts'
import type { ScenarioResult } from './run-scenarios.ts'

const failed = (...lines: readonly string[]): ScenarioResult => ({
  ...{ scenario: 's', name: 'n', file: 'f', state: 'failed', ms: 1 },
  failure: ['✗ s: n', ...lines.map((line) => `        ${line}`)].join('\n'),
})
const cell = (received: string) =>
  failed('expected  refused 401 invalid_token, reason cnf_x5t_mismatch, within 5000 ms', `received  ${received}`)
const attacked = failed('expected  A1 cnf_x5t_mismatch (401 invalid_token)', 'received  accepted 200 (status alone)')
const letIn = failed('expected  accepted', 'received  refused 400 (status alone)')
const broken = failed('the site did not start')
const passed: ScenarioResult = { scenario: 's', name: 'n', file: 'f', state: 'passed', ms: 1 }

test('many failures are told by what was expected, the most frequent first', () => {
  const accepted = cell('accepted 200 (status alone)')
  const all = [letIn, accepted, attacked, cell('refused 403, reason other (status alone)'), broken, passed]

  expect(failureGroups(all)).toEqual([
    '3 of 5 failures: expected cnf_x5t_mismatch, received accepted 200 (2) and 1 other answer',
    '1 of 5 failures: expected accepted, received refused 400',
    '1 of 5 failures: something broke, or was demanded otherwise',
  ])
})

test('few failures speak for themselves', () => {
  expect(failureGroups([attacked, attacked, letIn, passed])).toEqual([])
})
