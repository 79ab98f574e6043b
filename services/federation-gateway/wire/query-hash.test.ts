import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { type Query, queryHash } from './query-hash.ts'

const query: Query = { verb: 'list', resource: 'tasks', limit: 50, filter: { status: 'open', teamId: 't' } }

test('is the SHA-256 of the canonical JSON (RFC 8785): members by name, none that is not there', () => {
  const text = '{"filter":{"status":"open","teamId":"t"},"limit":50,"resource":"tasks","verb":"list"}'
  expect(queryHash(query)).toBe(createHash('sha256').update(text).digest('hex'))
})

test('does not depend on the order of members, nor on ones that are undefined', () => {
  const filter = { teamId: 't', status: 'open', createdAfter: undefined } as const
  expect(queryHash({ filter, limit: 50, resource: 'tasks', verb: 'list', q: undefined })).toBe(queryHash(query))
})

test.each<[string, Partial<Query>]>([
  ['verb', { verb: 'get' }],
  ['resource', { resource: 'notes' }],
  ['id', { id: 'x' }],
  ['filter', { filter: { status: 'done', teamId: 't' } }],
  ['absent filter', { filter: undefined }],
  ['limit', { limit: 51 }],
  ['q', { q: '' }],
])('another %s is another query', (_, change) => {
  expect(queryHash({ ...query, ...change })).not.toBe(queryHash(query))
})
