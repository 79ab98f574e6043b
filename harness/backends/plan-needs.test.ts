import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import type { Program } from '../topology/plan.ts'
import { oneshot, planOf } from './fixtures/plans.ts'
import { demandPrograms, hasOwnIpc, hasUsers, neededTools, withUsers } from './plan-needs.ts'

test('a tool that one command dials with takes the build that resolves the hosts of the plan; a moving clock takes it for all', () => {
  const run = (program: Program) => ({ run: { program, args: [] } })
  const steps = [run({ tool: 'step' }), run({ path: 'node' }), { parallel: [[run({ tool: 'nsc', dials: true })]] }]
  const plan = planOf({ one: [oneshot('a', [], steps)], two: [oneshot('b', [], [run({ tool: 'nsc' })])] })

  expect(neededTools(plan)).toEqual({ plain: ['step'], overlay: ['nsc'] })
  expect(neededTools(plan, { clock: 'movable' })).toEqual({ plain: [], overlay: ['step', 'nsc'] })
  expect(neededTools(plan, { ownHosts: true })).toEqual({ plain: ['step', 'nsc'], overlay: [] })
  expect(neededTools(plan, { clock: 'movable', ownHosts: true }).plain).toEqual([])
  expect(neededTools(planOf({ one: [] }))).toEqual({ plain: [], overlay: [] })
})

test('a tool that a service starts itself is needed as if the plan ran it', () => {
  const planWith = (program: Program) => planOf({ one: [oneshot('a', [], [{ run: { program, args: [] } }])] })
  const plan = planWith({ service: 'maker', starts: [{ tool: 'nsc', dials: true }, { tool: 'nats' }] })

  expect(neededTools(plan)).toEqual({ plain: ['nats'], overlay: ['nsc'] })
  expect(neededTools(planWith({ service: 'maker' }))).toEqual({ plain: [], overlay: [] })
})

test('a program of the machine that a unit runs is demanded by name, before anything starts', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-engine-'))
  vi.stubEnv('PATH', folder)
  try {
    const plan = planOf({ one: [{ ...oneshot('gateway'), machine: ['docker'] }, oneshot('other')] })
    await expect(demandPrograms(plan)).rejects.toMatchObject({
      code: 'HOLDFAST_PROGRAM_MISSING',
      message: expect.stringMatching(/^one\/gateway: docker is not installed: start a Docker engine/),
    })
    const engine = join(folder, 'docker')
    await writeFile(engine, '#!/bin/sh\necho no daemon >&2; exit 1\n', { mode: 0o755 })
    await expect(demandPrograms(plan)).rejects.toThrow('one/gateway: docker is not usable: ')
    await writeFile(engine, '#!/bin/sh\necho 27.3.1\n')
    await demandPrograms(plan)
    await demandPrograms(planOf({ one: [oneshot('other')] }))
  } finally {
    vi.unstubAllEnvs()
    await rm(folder, { recursive: true })
  }
})

test('a program that comes in a package follows clocks and names without a build of ours', () => {
  const run = { run: { program: { tool: 'postgres', dials: true } as const, args: [] } }
  const plan = planOf({ one: [oneshot('a', [], [run])] })

  expect(neededTools(plan, { clock: 'movable' })).toEqual({ plain: ['postgres'], overlay: [] })
})

test('under root, units whose programs refuse that have another user; those that have one keep it', () => {
  const held = { ...oneshot('held'), userUnderRoot: 'nobody' }
  const plan = planOf({ one: [held, { ...held, name: 'own', user: 'database' }, oneshot('other')] })
  const usersIn = ({ nodes }: typeof plan) => nodes.one!.units.map(({ user }) => user)

  expect(usersIn(withUsers(plan))).toEqual(['nobody', 'database', undefined])
  expect(usersIn(plan)).toEqual([undefined, 'database', undefined])
  const plain = planOf({ one: [oneshot('other')] })
  expect([withUsers(plain), hasUsers(plain), hasUsers(withUsers(planOf({ one: [held] })))]).toEqual([
    plain,
    false,
    true,
  ])
  expect([hasOwnIpc(plain), hasOwnIpc(planOf({ one: [{ ...oneshot('a'), ownIpc: true }] }))]).toEqual([false, true])
})
