import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { GuardCoverage } from '../harness/evidence/coverage.ts'
import { guardsAreProvoked, judge } from './guards.ts'

const provoked = (name: string, ...scenarios: string[]) => ({ name, scenarios })
const coverage: GuardCoverage = {
  guards: { covered: 1, declared: 1 },
  reasons: { covered: 1, declared: 2 },
  uses: [
    {
      ...{ service: 'gate', guard: 'g.one', scenarios: ['a.scenario.ts'] },
      reasons: [provoked('first', 'a.scenario.ts'), provoked('second')],
    },
  ],
  undeclared: [],
  unrecorded: [],
}

test('a reason that nothing provoked is a mistake, unless it is excepted by name', () => {
  expect(judge(coverage, {})).toEqual({ mistakes: ['not provoked: gate/g.one second'], excepted: [] })
  expect(judge(coverage, { 'gate/g.one second': 'only a broken disk does it' })).toEqual({
    mistakes: [],
    excepted: ['excepted: gate/g.one second (only a broken disk does it)'],
  })
})

test('a guard that refused nothing is a mistake, unless each of its reasons is excepted', () => {
  const silent = { service: 'gate', guard: 'g.two', scenarios: [], reasons: [provoked('third'), provoked('fourth')] }
  const more = { ...coverage, uses: [...coverage.uses, silent] }
  const first = { 'gate/g.one second': 'x', 'gate/g.two third': 'x' }
  expect(judge(more, first).mistakes).toEqual([
    'gate/g.two refused nothing in any scenario',
    'not provoked: gate/g.two fourth',
  ])
  expect(judge(more, { ...first, 'gate/g.two fourth': 'x' }).mistakes).toEqual([])
  const without = { ...coverage, uses: [...coverage.uses, { ...silent, reasons: [] }] }
  expect(judge(without, { 'gate/g.one second': 'x' }).mistakes).toEqual(['gate/g.two refused nothing in any scenario'])
})

test('an exception that is none, a refusal that is not declared and a service without guards are mistakes', () => {
  const needless = { 'gate/g.one first': 'x', 'gate/g.one second': 'x' }
  expect(judge(coverage, needless).mistakes).toEqual(['excepted, but provoked or not declared: gate/g.one first'])
  const odd = { ...coverage, undeclared: ['gate/null server_error'] }
  expect(judge(odd, needless).mistakes[0]).toMatch(/^gate\/null server_error is a refusal/)
  const empty = { ...coverage, guards: { covered: 0, declared: 0 }, uses: [] }
  expect(judge(empty, {}).mistakes).toEqual(['no service declares a guard'])
})

test('a run without a record is named in one line, and nothing that would follow from it is said', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-guards-'))

  const outcome = await guardsAreProvoked([{ file: join(import.meta.dirname, 'dead.scenario.ts'), folder }])

  await rm(folder, { recursive: true })
  const name = 'Every guard and every reason is provoked by a scenario'
  expect(outcome).toMatchObject({ passed: 0, failed: [{ name, reason: outcome.output.split('\n')[1] }] })
  expect(outcome.output.split('\n').slice(1)).toEqual([
    `HOLDFAST_RECORD_MISSING: no plan.json or history.jsonl of checks/dead.scenario.ts in ${folder}; their workers died, and what they provoked is not known: run these again first`,
  ])
})
