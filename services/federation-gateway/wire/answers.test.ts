import { expect, test } from 'vitest'
import { capabilitiesAnswer, enrolmentAnswer, getAnswer, listAnswer, ROWS, searchAnswer } from './answers.ts'

const id = 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'
const at = '2026-01-31T09:00:00.000001Z'
const task = { id, ownerId: id, teamId: null, title: 't', body: 'b', status: 'open', createdAt: at, updatedAt: at }
const list = { items: [{ ...task, _source: 'b' }], nextCursor: null, _truncated: false, _partial: false }

test('a list of the declared rows is taken', () => {
  expect(listAnswer('tasks').safeParse(list).success).toBe(true)
  expect(getAnswer('tasks').safeParse({ item: { ...task, _source: 'b' } }).success).toBe(true)
})

test.each<[string, object]>([
  ['a row without a source', { ...list, items: [task] }],
  ['a row of another resource', { ...list, items: [{ id, text: 't', createdAt: at, _source: 'b' }] }],
  ['a row with a member more', { ...list, items: [{ ...task, _source: 'b', secret: 's' }] }],
  ['a time without microseconds', { ...list, items: [{ ...task, _source: 'b', createdAt: '2026-01-31T09:00:00Z' }] }],
  ['no word of more rows', { items: [], nextCursor: null, _partial: false }],
  ['a lender that says that it is partial', { ...list, _partial: true }],
  ['a member more', { ...list, _cached: true }],
  ['1001 rows', { ...list, items: Array(1001).fill(list.items[0]) }],
])('a list with %s is not', (_, answer) => {
  expect(listAnswer('tasks').safeParse(answer).success).toBe(false)
})

test('no row on the wire has room for a secret or for an e-mail address', () => {
  const members = Object.values(ROWS).flatMap(({ shape }) => Object.keys(shape))
  expect(members.filter((name) => /secret|mail|password|token/i.test(name))).toEqual([])
})

test('the other answers are as strict', () => {
  const hit = { resource: 'tasks', id, title: 't', score: 0.1, _source: 'b' }
  expect(searchAnswer.safeParse({ items: [hit], _truncated: true, _partial: false }).success).toBe(true)
  expect(searchAnswer.safeParse({ items: [{ ...hit, body: 'b' }], _truncated: true, _partial: false }).success).toBe(
    false,
  )
  expect(searchAnswer.safeParse({ items: [], nextCursor: null, _truncated: true, _partial: false }).success).toBe(false)

  const capabilities = {
    resources: ['tasks'],
    excluded_resources: [],
    max_rows_per_query: 5,
    supported_verbs: ['list'],
    grant_expires_at: null,
  }
  expect(capabilitiesAnswer.safeParse(capabilities).success).toBe(true)
  expect(capabilitiesAnswer.safeParse({ ...capabilities, resources: ['all'] }).success).toBe(false)

  const issued = { certPem: 'c', certChainPem: 'c', serial: 'ab0f', notAfter: '2026-01-31T09:00:00Z' }
  const enrolled = { ...issued, grantId: id, subjectUserId: id, peerId: id, federationUrl: 'https://b.example:8444' }
  expect(enrolmentAnswer.safeParse(enrolled).success).toBe(true)
  expect(enrolmentAnswer.safeParse({ ...enrolled, federationUrl: 'http://b.example:8444' }).success).toBe(false)
  expect(enrolmentAnswer.safeParse({ ...enrolled, serial: '0AB' }).success).toBe(false)
})
