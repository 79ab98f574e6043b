import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ROWS } from '../wire/answers.ts'
import { decide } from './decide.ts'
import { readScope } from './document.ts'
import type { Rights } from './predicate.ts'
import { RESOURCES, type Resource } from './resources.ts'
import { getStatement, listStatement, type Rows, searchStatement } from './sql.ts'
import { TABLES } from './tables.ts'

const rights: Rights = {
  tenantId: 'tenant',
  userId: 'subject',
  teams: [{ id: 'team', role: 'maintainer' }],
  deniedResources: [],
  sharePersonal: true,
}
const scope = readScope({ resources: RESOURCES }).scope!
const rowsOf = (resource: Resource, filter = {}) => {
  const decision = decide(scope, rights, { resource, limit: 10, filter })
  if (!decision.allowed) throw new Error(decision.reason)
  return { resource, tenantId: 'tenant', userId: 'subject', predicate: decision.predicate, native: decision.native }
}

test('a list of tasks, word by word', () => {
  const { text, values } = listStatement(rowsOf('tasks', { status: 'open' }), 10, { createdAt: 'at', id: 'id' })
  expect(text).toBe(
    [
      `SELECT r.id AS "id", r.owner_id AS "ownerId", r.team_id AS "teamId", r.title AS "title", r.body AS "body", r.status AS "status"`,
      `, to_char(r.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS "createdAt"`,
      `, to_char(r.updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS "updatedAt" FROM tasks r WHERE`,
      ' r.tenant_id = $1::uuid AND (((r.owner_id = $2::uuid AND r.team_id IS NULL) OR r.team_id = ANY($3::uuid[]))',
      ' AND (r.team_id IS NULL OR r.team_id IS NOT NULL) AND (r.status = $4::text)) AND (r.created_at, r.id) <',
      ' ($5::timestamptz, $6::uuid) ORDER BY r.created_at DESC, r.id DESC LIMIT $7::bigint',
    ].join(''),
  )
  expect(values).toEqual(['tenant', 'subject', ['team'], 'open', 'at', 'id', 11])
})

test.each(RESOURCES)('%s: rows have the members of the wire, and every query is of one tenant', (resource) => {
  expect(Object.keys(TABLES[resource].members)).toEqual(expect.arrayContaining(Object.keys(ROWS[resource].shape)))
  expect(Object.keys(TABLES[resource].members)).toHaveLength(Object.keys(ROWS[resource].shape).length)
  const statements = [
    listStatement(rowsOf(resource), 10),
    getStatement(rowsOf(resource), 'id'),
    searchStatement([rowsOf(resource)], 'q', 10),
  ]
  for (const { text, values } of statements) {
    const [, place] = /WHERE r\.tenant_id = \$(\d+)::uuid AND/.exec(text) ?? []
    expect(values[Number(place) - 1]).toBe('tenant')
  }
})

test('who was deleted is no row', () => {
  expect(listStatement(rowsOf('users'), 10).text).toContain('AND r.deleted_at IS NULL AND')
})

test('get reads the row of anybody, and what this subject may do with it', () => {
  const { text, values } = getStatement(rowsOf('memory'), 'id')
  expect(text).toContain('(r.owner_id = $3::uuid) IS TRUE AS "_visible"')
  expect(text).toContain('((r.owner_id = $4::uuid AND TRUE AND TRUE)) IS TRUE AS "_lent"')
  expect(text).toMatch(/WHERE r\.tenant_id = \$1::uuid AND r\.id = \$2::uuid$/)
  expect(values).toEqual(['tenant', 'id', 'subject', 'subject'])
})

test('search is one statement over all resources', () => {
  const { text, values } = searchStatement([rowsOf('memory'), rowsOf('users')], 'a & b', 10)
  expect(text.match(/websearch_to_tsquery\('simple', \$1::text\)/g)).toHaveLength(4)
  expect(text.match(/UNION ALL/g)).toHaveLength(1)
  expect(values[0]).toBe('a & b')
  expect(text).toMatch(/ORDER BY h\.score DESC, h\.created_at DESC, h\.id DESC, h\.resource LIMIT \$\d+::bigint$/)
  expect(values.at(-1)).toBe(11)
})

test('a column that a resource lacks holds nothing', () => {
  const { text } = listStatement(rowsOf('memory', { teamId: 'team' }), 1)
  expect(text).toContain('AND (FALSE)')
})

test('no character that a caller wrote is in a text: it depends on which members are there, and on nothing in them', () => {
  const any = fc.string({ unit: 'grapheme' })
  const filled = fc.record({ status: any, teamId: any, createdAfter: any, createdBefore: any }) as fc.Arbitrary<object>
  const plain = { status: 'a', teamId: 'a', createdAfter: 'a', createdBefore: 'a' }
  const places = (text: string, values: readonly unknown[]) =>
    [...text.matchAll(/\$(\d+)/g)].every(([, at]) => Number(at) <= values.length)
  fc.assert(
    fc.property(fc.constantFrom(...RESOURCES), filled, any, any, any, (resource, filter, q, id, user) => {
      const given: Rows & { native: Rows['predicate'] } = { ...rowsOf(resource, filter), userId: user, tenantId: user }
      const expected = rowsOf(resource, plain)
      const below = { createdAt: q, id }
      const pairs = [
        [listStatement(given, 5, below), listStatement(expected, 5, { createdAt: 'a', id: 'a' })],
        [getStatement(given, id), getStatement(expected, 'a')],
        [searchStatement([given], q, 5), searchStatement([expected], 'a', 5)],
      ] as const
      for (const [one, other] of pairs) {
        expect(one.text).toBe(other.text)
        expect(places(one.text, one.values)).toBe(true)
      }
    }),
    { numRuns: 200 },
  )
})
