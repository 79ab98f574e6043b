import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { longest } from './longest-first.ts'

test('files that are begun first are there', () => {
  expect(longest.filter((file) => !existsSync(join(import.meta.dirname, '..', file)))).toEqual([])
})
