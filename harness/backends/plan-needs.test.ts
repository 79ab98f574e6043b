import { expect, test } from 'vitest'
import type { Program } from '../topology/plan.ts'
import { oneshot, planOf } from './fixtures/plans.ts'
import { neededTools } from './plan-needs.ts'

test('a tool that one command dials with takes the build that resolves the hosts of the plan; a moving clock takes it for all', () => {
  const run = (program: Program) => ({ run: { program, args: [] } })
  const steps = [run({ tool: 'step' }), run({ path: 'node' }), { parallel: [[run({ tool: 'nsc', dials: true })]] }]
  const plan = planOf({ one: [oneshot('a', [], steps)], two: [oneshot('b', [], [run({ tool: 'nsc' })])] })

  expect(neededTools(plan)).toEqual({ plain: ['step'], overlay: ['nsc'] })
  expect(neededTools(plan, 'movable')).toEqual({ plain: [], overlay: ['step', 'nsc'] })
  expect(neededTools(planOf({ one: [] }))).toEqual({ plain: [], overlay: [] })
})
