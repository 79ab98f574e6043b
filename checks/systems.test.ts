import { expect, test } from 'vitest'
import { budgets, spentBy } from './budget.ts'
import { systems, systemsAsked } from './systems.ts'

test('the systems are the folders of scenarios, and each has a budget', () => {
  expect(systems()).toEqual(['controls', 'federation', 'nats', 'peering'])
  expect(Object.keys(budgets)).toEqual(systems())
})

test('an unknown system is refused with the known ones', () => {
  expect(systemsAsked([])).toEqual([])
  expect(systemsAsked(['peering'])).toEqual(['peering'])
  expect(() => systemsAsked(['peering', 'pering'])).toThrow(
    'there is no system "pering"; npm test takes the names of systems: controls, federation, nats, peering, and without one tests all',
  )
})

const file = (path: string, seconds: number) => ({ file: `/repo/scenarios/${path}`, seconds })
const budget = { one: { measured: 10, seconds: 15 }, two: { measured: 10, seconds: 15 } }

test('a system whose files use more than its budget is red, and its dearest files are named', () => {
  const cpu = [file('one/a/a.scenario.ts', 9), file('one/b/b.scenario.ts', 7), file('two/c/c.scenario.ts', 14)]
  expect(spentBy(cpu, '/repo', budget, ['one', 'two'])).toEqual({
    lines: ['one 16 of 15 s', 'two 14 of 15 s'],
    mistakes: [
      'one used 16 s of CPU time; most of it: scenarios/one/a/a.scenario.ts 9 s, scenarios/one/b/b.scenario.ts 7 s',
    ],
  })
})

test('a system without a budget, and a budget without a system, are mistakes', () => {
  const cpu = [{ file: '/repo/harness/x.test.ts', seconds: 100 }]
  expect(spentBy(cpu, '/repo', budget, ['one', 'three'])).toEqual({
    lines: [],
    mistakes: ['system three has no budget', 'there is a budget and no system two'],
  })
})

test('a machine that tells no CPU time says nothing', () => {
  expect(spentBy([], '/repo')).toBeUndefined()
})
