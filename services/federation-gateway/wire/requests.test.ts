import { describe, expect, test } from 'vitest'
import { csrRequest, getRequest, listRequest, searchRequest } from './requests.ts'

const team = 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'
const issuesOf = (
  schema: { safeParse(value: unknown): { error?: { issues: { path: PropertyKey[] }[] } } },
  value: unknown,
) => schema.safeParse(value).error?.issues.map(({ path }) => path.join('.'))

describe('list', () => {
  test('takes nothing but what it knows, with a default', () => {
    expect(listRequest('tasks').parse({})).toEqual({ limit: 50 })
    const filter = { status: 'open', teamId: team, createdAfter: '2026-01-01T00:00:00+01:00' }
    expect(listRequest('tasks').parse({ limit: 1000, cursor: 'c', filter })).toEqual({
      limit: 1000,
      cursor: 'c',
      filter: { ...filter, createdAfter: '2025-12-31T23:00:00.000000Z' },
    })
  })

  test.each<[unknown, string]>([
    [{ subjectUserId: team }, ''],
    [{ grantId: team }, ''],
    [JSON.parse('{"__proto__": {"limit": 5}}'), ''],
    [{ _source: 'x' }, ''],
    [{ sort: 'id' }, ''],
    [{ limit: 0 }, 'limit'],
    [{ limit: 1001 }, 'limit'],
    [{ limit: 1.5 }, 'limit'],
    [{ limit: '5' }, 'limit'],
    [{ limit: null }, 'limit'],
    [{ cursor: '' }, 'cursor'],
    [{ cursor: 'c'.repeat(1025) }, 'cursor'],
    [{ cursor: null }, 'cursor'],
    [{ filter: { status: 'OPEN' } }, 'filter.status'],
    [{ filter: { status: { $ne: 'open' } } }, 'filter.status'],
    [{ filter: { teamId: `${team}' OR 1=1` } }, 'filter.teamId'],
    [{ filter: { teamId: null } }, 'filter.teamId'],
    [{ filter: { createdAfter: 'yesterday' } }, 'filter.createdAfter'],
    [{ filter: { createdBefore: 5 } }, 'filter.createdBefore'],
    [{ filter: { or: [] } }, 'filter'],
    [{ filter: { ownerId: team } }, 'filter'],
    [{ filter: [] }, 'filter'],
    [[], ''],
    ['', ''],
    [null, ''],
  ])('refuses %j', (body, path) => {
    expect(issuesOf(listRequest('tasks'), body)).toEqual([path])
  })

  test('takes a filter only where rows have what it is about', () => {
    const taken = (resource: string, filter: object) => listRequest(resource).safeParse({ filter }).success
    const of = (filter: object) =>
      ['tasks', 'notes', 'memory', 'credentials', 'teams', 'users', 'else'].filter((name) => taken(name, filter))
    expect(of({ createdAfter: '2026-01-01T00:00:00Z' })).toHaveLength(7)
    expect(of({ teamId: team })).toEqual(['tasks', 'notes', 'credentials', 'else'])
    expect(of({ status: 'open' })).toEqual(['tasks', 'else'])
  })
})

describe('search', () => {
  test('takes words, resources and a limit', () => {
    expect(searchRequest.parse({ q: '€'.repeat(256) })).toEqual({ q: '€'.repeat(256), limit: 50 })
    expect(searchRequest.parse({ q: '😀'.repeat(256), resources: ['tasks', 'no such'], limit: 5 }).limit).toBe(5)
  })

  test.each<[unknown, string]>([
    [{}, 'q'],
    [{ q: '' }, 'q'],
    [{ q: '€'.repeat(257) }, 'q'],
    [{ q: 'a\0b' }, 'q'],
    [{ q: 'a\ud800' }, 'q'],
    [{ q: 5 }, 'q'],
    [{ q: 'a', cursor: 'c' }, ''],
    [{ q: 'a', filter: {} }, ''],
    [{ q: 'a', resources: [] }, 'resources'],
    [{ q: 'a', resources: ['tasks', 'tasks'] }, 'resources'],
    [{ q: 'a', resources: 'tasks' }, 'resources'],
    [{ q: 'a', resources: [''] }, 'resources.0'],
    [{ q: 'a', resources: ['a', 'b', 'c', 'd', 'e', 'f', 'g'] }, 'resources'],
    [{ q: 'a', limit: 1001 }, 'limit'],
  ])('refuses %j', (body, path) => {
    expect(issuesOf(searchRequest, body)).toEqual([path])
  })
})

test('get takes an empty body, and a request for a certificate its CSR alone', () => {
  expect(getRequest.safeParse({}).success).toBe(true)
  expect(getRequest.safeParse({ id: team }).success).toBe(false)
  expect(csrRequest.safeParse({ csrPem: 'pem' }).success).toBe(true)
  for (const body of [{}, { csrPem: '' }, { csrPem: 'p'.repeat(12289) }, { csrPem: 'pem', commonName: 'x' }]) {
    expect(csrRequest.safeParse(body).success).toBe(false)
  }
})
