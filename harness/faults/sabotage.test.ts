import { expect, test } from 'vitest'
import type { Site } from '../backends/backend.ts'
import { GuardNotRemoved, proveRemoval } from '../site/prove-removal.ts'
import type { Plan } from '../topology/plan.ts'
import { declaredGuards, programsOf } from './declared-guards.ts'
import { SabotageImpossible, sabotageEnvironment } from './sabotage.ts'

const unit = (name: string, service: string) => ({ name, service: { command: { program: { service }, args: [] } } })
const intake = {
  name: 'intake',
  decisionLog: 'decisions.jsonl',
  steps: [{ run: { program: { service: 'orchestrator' }, args: ['creds-intake', '--config', 'config.json'] } }],
}
const plan = {
  topology: 'fake',
  nodes: {
    a: { name: 'a', units: [unit('main', 'orchestrator'), unit('auth', 'auth-server'), { name: 'anchor' }] },
    b: { name: 'b', units: [intake, unit('main', 'orchestrator')] },
  },
} as unknown as Plan

function siteThatLogs(lines: Record<string, string[]>): Site {
  const node = (name: string) => ({ logs: (of: string) => lines[`${name}/${of}`] ?? [] })
  const events = () =>
    Object.keys(lines).map((name) => ({ event: 'unit-started', node: name.split('/')[0], unit: name.split('/')[1] }))
  return { plan, node, events } as unknown as Site
}

const said = (event: string, guard = 'token.binding') => JSON.stringify({ level: 'warn', event, guard })
const [sought, gone] = [said('guard-removal'), said('guard-removed')]

test('every unit of the service loses the guard, and what is run of it beside them, and no other unit', () => {
  const env = sabotageEnvironment(plan, 'orchestrator/token.binding')

  expect(Object.keys(env)).toEqual(['a/main', 'a/service:orchestrator', 'b/main', 'b/service:orchestrator'])
  expect(env['a/main']).toMatchObject({ HOLDFAST_REMOVED_GUARD: 'token.binding' })
  expect(env['a/main']?.NODE_OPTIONS).toMatch(/^--import file:.*guard-removal\.mjs$/)
})

test('a subcommand is a program with guards of its own', () => {
  const env = sabotageEnvironment(plan, 'creds-intake/creds.form')

  expect(Object.keys(env)).toEqual(['b/intake', 'b/service:creds-intake'])
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

test.each<[string, Record<string, string[]>]>([
  ['each has it', { 'a/main': ['started', sought, gone], 'b/main': [sought, gone] }],
  ['one is another program of the service', { 'a/main': [sought, gone], 'b/main': [sought] }],
  ['one waits for its start', { 'a/main': [sought, gone] }],
])('where %s, the guard is gone', async (_, lines) => {
  await proveRemoval(siteThatLogs(lines), 'orchestrator/token.binding')
})

// Each waits for what never comes.
test.concurrent.each<[string, string, Record<string, string[]>]>([
  ['one unit did not look for it', 'b/main', { 'a/main': [sought, gone], 'b/main': ['started'] }],
  ['none had it', 'a/main, b/main', { 'a/main': [sought], 'b/main': [sought] }],
  [
    'another guard is gone',
    'a/main, b/main',
    { 'a/main': [sought, said('guard-removed', 'token')], 'b/main': [sought] },
  ],
  ['none was started', 'a/main, b/main', {}],
])('where %s, nothing is proven', async (_, units, lines) => {
  const failure = await proveRemoval(siteThatLogs(lines), 'orchestrator/token.binding').catch((cause: unknown) => cause)

  expect(failure).toBeInstanceOf(GuardNotRemoved)
  expect((failure as Error).message).toMatch(new RegExp(`^${units}: `))
})

test('services name their own guards, also those that they share', async () => {
  const [orchestrator, authServer, intakes, none] = await Promise.all(
    ['orchestrator', 'auth-server', 'creds-intake', 'no-such-service'].map((program) => declaredGuards(program)),
  )

  expect(orchestrator).toMatchObject({ 'token.issuer': ['issuer_untrusted'], 'msg.scope': ['scope_insufficient'] })
  expect(authServer).toMatchObject({ 'keys.rotate': ['rotation_in_progress'], 'operator.caller': ['not_operator'] })
  expect(authServer).not.toHaveProperty('token.issuer')
  expect(none).toEqual({})
  expect(orchestrator).toHaveProperty('creds.form')
  // It waits for nothing that is handed over.
  expect(orchestrator).not.toHaveProperty('creds.handover')
  expect(intakes).toMatchObject({ 'creds.form': ['creds_malformed'], 'creds.handover': ['handover_timeout'] })
  expect(intakes).not.toHaveProperty('command-form')
  expect(programsOf('orchestrator')).toEqual(['orchestrator', 'creds-intake'])
})
