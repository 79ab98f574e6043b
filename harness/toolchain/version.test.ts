import { expect, test } from 'vitest'
import { isAcceptable, minorRelease } from './version.ts'

test.each([
  ['0.30.2', '0.30.2', true],
  ['0.30.0', '0.30.2', true],
  ['0.31.0', '0.30.2', true],
  ['1.0.0', '0.30.2', true],
  ['0.29.9', '0.30.2', false],
  ['2.9.25', '2.15.2', false],
  ['go1.26.8', '1.26.0', true],
  ['v2.15.2', '2.15.2', true],
  ['0000000-dev', '0.30.2', false],
  ['unknown', '0.30.2', false],
])('%s stands in for %s: %s', (version, pinned, acceptable) => {
  expect(isAcceptable(version, pinned)).toBe(acceptable)
})

test('a minor release has two numbers', () => {
  expect(minorRelease('0.30.2')).toBe('0.30')
})
