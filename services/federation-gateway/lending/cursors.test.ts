import { expect, test } from 'vitest'
import { Cursors } from './cursors.ts'

const [salt, other] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)]
const position = { createdAt: '2026-01-31T09:00:00.000001Z', id: 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11' }
const binding = { queryHash: 'h', grantId: 'g' }
const sealing = (secret: string, ...previous: string[]) => ({ secret, previous })

test('a cursor is read by whoever has the secret that it was written by, also after a rotation, and by nobody else', () => {
  const cursor = new Cursors(sealing('one'), salt).write(position, binding)
  expect(new Cursors(sealing('one'), salt).read(cursor, binding)).toEqual(position)
  expect(new Cursors(sealing('two', 'one'), salt).read(cursor, binding)).toEqual(position)
  expect(new Cursors(sealing('two'), salt).read(cursor, binding)).toBeUndefined()
  expect(new Cursors(sealing('one'), other).read(cursor, binding)).toBeUndefined()
  expect(new Cursors(sealing('one'), salt).read(cursor, { ...binding, grantId: 'other' })).toBeUndefined()
})

test('the current secret writes, and without one the database alone makes the key', () => {
  const rotated = new Cursors(sealing('two', 'one'), salt).write(position, binding)
  expect(new Cursors(sealing('one'), salt).read(rotated, binding)).toBeUndefined()
  const bare = new Cursors(undefined, salt).write(position, binding)
  expect(new Cursors(undefined, salt).read(bare, binding)).toEqual(position)
  expect(new Cursors(undefined, other).read(bare, binding)).toBeUndefined()
})
