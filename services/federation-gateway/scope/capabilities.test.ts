import { expect, test } from 'vitest'
import { capabilitiesAnswer } from '../wire/answers.ts'
import { capabilitiesOf, epochOf, etagOf, isUnchanged } from './capabilities.ts'
import { readScope } from './document.ts'

const document = { resources: ['tasks', 'credentials'], excluded_resources: ['credentials'], max_rows_per_query: 7 }
const scope = readScope(document).scope!

test('capabilities are the resources less the excluded ones, and are an answer as declared', () => {
  const answer = capabilitiesOf(scope, new Date('2026-01-31T09:00:00.5Z'))
  expect(answer).toEqual({
    resources: ['tasks'],
    excluded_resources: ['credentials'],
    max_rows_per_query: 7,
    supported_verbs: ['list', 'get', 'search', 'capabilities', 'renew'],
    grant_expires_at: '2026-01-31T09:00:00.500000Z',
  })
  expect(capabilitiesAnswer.safeParse(answer).success).toBe(true)
  expect(capabilitiesOf(scope, null).grant_expires_at).toBe(null)
})

test('the tag of a grant is its epoch', () => {
  expect(epochOf(etagOf(42))).toBe(42)
  for (const tag of [undefined, '', '42', 'W/"42"', '"4 2"', '"-1"', '"1e3"', `"${'9'.repeat(16)}"`, '"42" ']) {
    expect([tag, epochOf(tag)]).toEqual([tag, undefined])
  }
})

test('an answer is unchanged for whoever has this epoch', () => {
  for (const header of ['"42"', 'W/"42"', '"1", "42"', '*'])
    expect([header, isUnchanged(header, 42)]).toEqual([header, true])
  for (const header of [undefined, '', '"4"', '"421"', '42', '"1", "2"'])
    expect([header, isUnchanged(header, 42)]).toEqual([header, false])
})
