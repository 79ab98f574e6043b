import { expect, test } from 'vitest'
import type { Site } from '../backends/backend.ts'
import { GuardNotRemoved, proveRemoval } from '../site/prove-removal.ts'
import type { Plan } from '../topology/plan.ts'
import { declaredGuards } from './declared-guards.ts'
import { SabotageImpossible, sabotageEnvironment } from './sabotage.ts'

const unit = (name: string, service: string) => ({ name, service: { command: { program: { service }, args: [] } } })
const plan = {
  topology: 'fake',
  nodes: {
    a: { name: 'a', units: [unit('main', 'orchestrator'), unit('auth', 'auth-server'), { name: 'anchor' }] },
    b: { name: 'b', units: [unit('main', 'orchestrator')] },
  },
} as unknown as Plan

function siteThatLogs(lines: Record<string, string[]>): Site {
  const node = (name: string) => ({ logs: (of: string) => lines[`${name}/${of}`] ?? [] })
  return { plan, node } as unknown as Site
}

const said = '{"level":"warn","event":"guard-removed","guard":"token.binding"}'

test('every unit of the service loses the guard, and no other unit', () => {
  const env = sabotageEnvironment(plan, 'orchestrator/token.binding')

  expect(Object.keys(env)).toEqual(['a/main', 'b/main'])
  expect(env['a/main']).toMatchObject({ HOLDFAST_REMOVED_GUARD: 'token.binding' })
  expect(env['a/main']?.NODE_OPTIONS).toMatch(/^--import file:.*guard-removal\.mjs$/)
})

test('what a scenario gives a node or a unit stays in force', () => {
  const given = {
    a: { NODE_OPTIONS: '--title=node', SKIP_AUTH: '1' },
    'b/main': { NODE_OPTIONS: '--title=unit', X: '1' },
  }

  const env = sabotageEnvironment(plan, 'orchestrator/token.binding', given)

  expect(env.a).toEqual(given.a)
  expect(env['a/main']?.NODE_OPTIONS).toMatch(/^--title=node --import /)
  expect(env['b/main']).toMatchObject({ X: '1', NODE_OPTIONS: expect.stringMatching(/^--title=unit --import /) })
})

test('a service that no unit runs is a failure, not a survivor', () => {
  expect(() => sabotageEnvironment(plan, 'mail-server/any')).toThrow(SabotageImpossible)
})

test('each sabotaged unit must have said that its guard is gone', async () => {
  await proveRemoval(siteThatLogs({ 'a/main': ['started', said], 'b/main': [said] }), 'orchestrator/token.binding')

  const half = siteThatLogs({ 'a/main': [said], 'b/main': ['started'] })
  await expect(proveRemoval(half, 'orchestrator/token.binding')).rejects.toThrow(GuardNotRemoved)
})

test('services name their own guards, also those that they share', async () => {
  const [orchestrator, authServer, none] = await Promise.all(
    ['orchestrator', 'auth-server', 'no-such-service'].map((service) => declaredGuards(service)),
  )

  expect(orchestrator).toMatchObject({ 'token.issuer': ['issuer_untrusted'], 'msg.scope': ['scope_insufficient'] })
  expect(authServer).toMatchObject({ 'keys.rotate': ['rotation_in_progress'], 'operator.caller': ['not_operator'] })
  expect(authServer).not.toHaveProperty('token.issuer')
  expect(none).toEqual({})
})
