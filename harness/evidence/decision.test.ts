import { expect, test } from 'vitest'
import { DecisionMalformed, readDecision } from './decision.ts'

const record = {
  ts: '2026-01-01T00:00:00.000Z',
  seq: 1,
  node: 'door',
  unit: 'greeter',
  conn: '127.0.0.1:1',
  listener: 'greetings',
  requestId: '1',
  action: 'greeter:greet',
  verdict: 'accepted',
  layer: 'http',
  status: 200,
  error: null,
  guard: null,
  reason: null,
  target: '/greeting',
  principal: {},
  ms: 0.5,
}
const place = { node: 'door', file: '/run/door/decisions.jsonl', line: 7 }

test('a record is read, with members that a service adds', () => {
  expect(readDecision(JSON.stringify({ ...record, mood: 'good' }), place)).toEqual({ ...record, mood: 'good' })
})

test.each<[string, unknown]>([
  ['verdict', 'perhaps'],
  ['ts', undefined],
  ['ts', 'yesterday'],
  ['seq', undefined],
  ['seq', '1'],
  ['ms', undefined],
  ['conn', undefined],
  ['layer', 'wire'],
  ['status', '200'],
  ['guard', undefined],
  ['principal', { san: 1 }],
])('%s = %j is no record, and the failure names node, file, line and member', (member, value) => {
  const failure = failureOf(JSON.stringify({ ...record, [member]: value }))

  expect(failure).toMatchObject({ code: 'HOLDFAST_DECISION_MALFORMED' })
  expect(failure.message).toContain(`decision log of door is malformed: ${place.file}, line 7: member ${member}`)
})

test('a line that is no JSON is named, and not shown', () => {
  const failure = failureOf('Listening with eyJ0b2tlbiI6')

  expect(failure).toBeInstanceOf(DecisionMalformed)
  expect(failure.message).toContain('line 7: it is no JSON')
  expect(failure.message).not.toContain('eyJ')
})

function failureOf(text: string): Error {
  try {
    readDecision(text, place)
  } catch (failure) {
    return failure as Error
  }
  throw new Error('it was read')
}
