import { createHmac } from 'node:crypto'
import { expect, test } from 'vitest'
import { readCursor, writeCursor } from './cursor.ts'

const key = Buffer.alloc(32, 1)
const position = { createdAt: '2026-01-31T09:00:00.000001Z', id: 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11' }
const binding = { queryHash: 'aa'.repeat(32), grantId: 'b0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11' }
const cursor = writeCursor(key, position, binding)

test('a cursor leads back to its row, also after its key is no longer the first', () => {
  expect(readCursor([key], cursor, binding)).toEqual(position)
  expect(readCursor([Buffer.alloc(32, 2), key], cursor, binding)).toEqual(position)
})

test('it is good for its query and its grant alone, and with its key', () => {
  expect(readCursor([key], cursor, { ...binding, queryHash: 'ab'.repeat(32) })).toBeUndefined()
  expect(readCursor([key], cursor, { ...binding, grantId: position.id })).toBeUndefined()
  expect(readCursor([Buffer.alloc(32, 2)], cursor, binding)).toBeUndefined()
  expect(readCursor([], cursor, binding)).toBeUndefined()
})

test('no character of it can be another one', () => {
  for (let at = 0; at < cursor.length; at += 1) {
    for (const other of ['A', 'B', '-', '_', '.', '=', ' ']) {
      if (cursor[at] === other) continue
      const changed = cursor.slice(0, at) + other + cursor.slice(at + 1)
      expect([at, other, readCursor([key], changed, binding)]).toEqual([at, other, undefined])
    }
  }
})

test.each([
  '',
  '.',
  '..',
  'x',
  `${cursor}.`,
  `${cursor}=`,
  `${cursor} `,
  `.${cursor}`,
  cursor.slice(0, -1),
  `${cursor}A`,
])('%j is none', (text) => {
  expect(readCursor([key], text, binding)).toBeUndefined()
})

test.each([
  { c: '2026-01-31', i: position.id },
  { c: position.createdAt, i: 'x' },
  { c: position.createdAt, i: position.id, x: 1 },
])('one with our MAC over %j is none either', (content) => {
  const json = JSON.stringify({ ...content, h: binding.queryHash, g: binding.grantId })
  const payload = Buffer.from(json).toString('base64url')
  const forged = `${payload}.${createHmac('sha256', key).update(payload).digest('base64url')}`
  expect(readCursor([key], forged, binding)).toBeUndefined()
})
