import { expect, test } from 'vitest'
import { allows } from './subjects.ts'

test.each<[string, string[], string[]]>([
  ['a.b', ['a.b'], ['a', 'a.b.c', 'a.c', 'a.*', 'a.>', '>', '*.b']],
  ['a.*.c', ['a.b.c', 'a.*.c'], ['a.c', 'a.b.d', 'a.b.c.d', 'a.>', '*.b.c', 'a.*.*']],
  ['a.>', ['a.b', 'a.b.c', 'a.*', 'a.>', 'a.*.c', 'a.b.>'], ['a', 'b.a', '>', '*.b']],
  ['>', ['a', 'a.b', '>', '*'], []],
  ['*', ['a', '*'], ['a.b', '>']],
])('%s holds what it stands for, and no more', (pattern, held, others) => {
  expect(held.filter((subject) => !allows([pattern], subject))).toEqual([])
  expect(others.filter((subject) => allows([pattern], subject))).toEqual([])
})

test('one of several patterns will do, and without any nothing is allowed', () => {
  expect(allows(['a.b', 'c.>'], 'c.d')).toBe(true)
  expect(allows([], 'c.d')).toBe(false)
})
