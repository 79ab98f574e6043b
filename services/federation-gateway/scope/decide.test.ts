import { describe, expect, test } from 'vitest'
import { decide, scopeCap, scopeRows, searchable } from './decide.ts'
import { readScope, type Scope } from './document.ts'
import type { Rights } from './predicate.ts'

const rights: Rights = { tenantId: 't', userId: 'u', teams: [], deniedResources: [], sharePersonal: true }
const scope = readScope({ resources: ['tasks', 'notes', 'users'], excluded_resources: ['notes', 'credentials'] })
  .scope as Scope
const asked = (resource: string, change: Partial<Rights> = {}) =>
  decide(scope, { ...rights, ...change }, { resource, limit: 50 })
const refusal = (guard: string, reason: string, status: number) => ({
  ...{ allowed: false, guard, reason, status },
  error: status === 404 ? 'not_found' : 'scope_violation',
})

describe('a request', () => {
  test('for a granted resource is allowed', () => {
    expect(asked('tasks')).toMatchObject({ allowed: true, resource: 'tasks', limit: 50 })
  })

  test.each(['Tasks', 'tasks ', 'tasks%00', 'tasks\0', '', '*', '__proto__', 'constructor', 'toString'])(
    'for %j is for nothing that there is',
    (name) => {
      expect(asked(name)).toEqual(refusal('scope.resource', 'resource_unknown', 404))
    },
  )

  test('for what is excluded is refused, granted or not', () => {
    expect(asked('notes')).toEqual(refusal('scope.excluded', 'resource_excluded', 403))
    expect(asked('credentials')).toEqual(refusal('scope.excluded', 'resource_excluded', 403))
  })

  test('for what is not granted is refused', () => {
    expect(asked('memory')).toEqual(refusal('scope.granted', 'resource_not_granted', 403))
    // `__proto__` and its like are members of every object.
    expect(decide({ ...scope, filters: {} }, rights, { resource: 'users', limit: 1 }).allowed).toBe(true)
  })

  test('for what the subject has no right to is refused, whatever the scope says', () => {
    expect(asked('tasks', { deniedResources: ['tasks'] })).toEqual(refusal('rbac.resource', 'rbac_denied', 403))
    expect(asked('tasks', { deniedResources: ['notes'] })).toMatchObject({ allowed: true })
  })

  test('meets the checks in their order', () => {
    const denied = { deniedResources: ['notes', 'memory'] } as const
    expect(asked('notes', { deniedResources: [...denied.deniedResources] })).toMatchObject({ guard: 'scope.excluded' })
    expect(asked('memory', { deniedResources: [...denied.deniedResources] })).toMatchObject({ guard: 'scope.granted' })
  })

  test('gets at most the rows of the grant, and at most those that it wants', () => {
    const capped = { ...scope, max_rows_per_query: 10 }
    const limitOf = (limit: number) => {
      const decision = decide(capped, rights, { resource: 'tasks', limit })
      return decision.allowed && decision.limit
    }
    expect([9, 10, 11, 1000].map(limitOf)).toEqual([9, 10, 10, 10])
  })
})

test('a search that names nothing goes through what is granted, not excluded and not taken away', () => {
  expect(searchable(scope, rights)).toEqual(['tasks', 'users'])
  expect(searchable(scope, { ...rights, deniedResources: ['users'] })).toEqual(['tasks'])
})

test('scope.rows: a row that is absent, not visible or not lent is the same answer with three reasons', () => {
  const found = { isThere: true, isVisible: true, isLent: true }
  const of = (change: Partial<typeof found>) => scopeRows.check({ ...found, ...change })
  expect(of({})).toBeUndefined()
  const same = { status: 404, error: 'not_found' }
  expect(of({ isThere: false, isVisible: false, isLent: false })).toEqual({ ...same, reason: 'row_absent' })
  expect(of({ isVisible: false, isLent: false })).toEqual({ ...same, reason: 'row_not_visible' })
  // Cannot be: the predicate holds the native rows. Were it not so, what the subject cannot see would still not be told.
  expect(of({ isVisible: false })).toEqual({ ...same, reason: 'row_not_visible' })
  expect(of({ isLent: false })).toEqual({ ...same, reason: 'row_out_of_scope' })
})

test('scope.cap: one row more than the limit is a cap, and no refusal', () => {
  expect(scopeCap.check({ rows: 10, limit: 10 })).toBeUndefined()
  expect(scopeCap.check({ rows: 11, limit: 10 })).toEqual({ reason: 'row_cap', status: 200 })
})
