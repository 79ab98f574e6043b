import { beforeAll, expect, test } from 'vitest'
import { compile } from '../../shipped.ts'
import { loadTopology } from '../../topology/load.ts'
import type { Plan } from '../../topology/plan.ts'
import { scopeDocument } from './scopes.ts'
import { Seed } from './seed.ts'

let plan: Plan
let lender: Seed
let asker: Seed

beforeAll(async () => {
  plan = compile(await loadTopology('federation'))
  lender = new Seed(plan, 'gateway-b')
  asker = new Seed(plan, 'gateway-a')
})

test('every row, user and team carries a marker, and no two texts carry the same', () => {
  for (const seed of [lender, asker]) {
    const all = JSON.stringify(seed.tenants).match(/mark[0-9a-f]{20}/g)!
    expect(new Set(all).size).toBe(all.length)
    for (const { id: _, name: __, ...things } of seed.tenants) {
      for (const thing of Object.values(things).flat()) expect(JSON.stringify(thing)).toMatch(/mark[0-9a-f]{20}/)
    }
  }
  expect(lender.markers().filter((marker) => asker.markers().includes(marker))).toEqual([])
})

test('users and their teams are as scenarios count on', () => {
  const rolesOf = (name: string) =>
    lender.user(name).tenant.teams.flatMap((team) => {
      const member = team.members.find(({ user }) => user === lender.user(name).id)
      return member === undefined ? [] : `${team.name.split(' ')[0]} ${member.role}`
    })

  expect(rolesOf('alice')).toEqual(['T1 member', 'T2 maintainer'])
  expect(rolesOf('bob')).toEqual(['T1 member'])
  expect(rolesOf('carol')).toEqual(['T2 member'])
  expect(lender.user('carol').sharePersonal).toBe(false)
  expect(lender.user('dave').tenant.name).toBe('globex')
  expect(['alice', 'bob', 'carol'].map((name) => asker.user(name).tenant.name)).toEqual(Array(3).fill('acme'))
})

test('what a user sees are personal rows, and those of teams; credentials of a team for its maintainers alone', () => {
  const titles = (user: string, ...given: [Parameters<Seed['visible']>[1], Parameters<Seed['visible']>[2]?]) => {
    const ids = lender.visible(user, ...given)
    const rows = lender.user(user).tenant[given[0]] as readonly { id: string; title?: string; name?: string }[]
    return rows.filter(({ id }) => ids.includes(id)).map(({ title, name }) => (title ?? name)!.replace(/ mark\w+$/, ''))
  }

  expect(titles('alice', 'tasks')).toEqual([
    'plan alice 1',
    'plan alice 2',
    'plan T1 1',
    'plan T1 2',
    'plan T2 1',
    'plan T2 2',
  ])
  expect(titles('bob', 'notes')).toEqual(['plan bob', 'plan T1'])
  expect(titles('alice', 'credentials')).toEqual(['alice', 'T2'])
  expect(titles('carol', 'credentials')).toEqual(['carol'])
  expect(lender.visible('alice', 'memory')).toHaveLength(1)
  // Notes were taken away from her.
  expect([lender.visible('erin', 'tasks'), lender.visible('erin', 'notes')]).toEqual([[], []])
  expect(titles('alice', 'tasks', { include_teams: [] })).toEqual(['plan alice 1', 'plan alice 2'])
  const { filters } = scopeDocument('scope-b', plan)
  expect(titles('alice', 'tasks', filters!.tasks)).toEqual(['plan T1 1', 'plan T1 2'])
})

test('a tenant that a test has brought in is there for this test alone', () => {
  const [brought, other] = [new Seed(plan, 'gateway-a'), new Seed(plan, 'gateway-a')]
  brought.add({ ...lender.tenant('globex'), name: 'brought' })
  expect(brought.user('dave').tenant.name).toBe('brought')
  expect(() => other.user('dave')).toThrow('user "dave" is not there')
})

test('whom or what it does not hold, it says by name', () => {
  expect(() => lender.user('mallory')).toThrow('user "mallory" is not there; there is alice, bob, carol, ')
  expect(() => lender.team('T9')).toThrow(/team "T9"/)
  expect(() => lender.tenant('none')).toThrow(/tenant "none"/)
})
