import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'

const script = join(import.meta.dirname, '..', 'fixtures', 'controls', 'stack.mjs')
const cache = mkdtempSync(join(tmpdir(), 'holdfast-stacks-'))
afterAll(() => rmSync(cache, { recursive: true }))

const stack = (...args: string[]) =>
  execFileSync(process.execPath, [script, ...args], {
    env: { PATH: cache, HOLDFAST_CACHE_DIR: cache },
    encoding: 'utf8',
    stdio: 'pipe',
  })

test('where the program is missing that builds a stack, it says which, and what to type, and leaves nothing behind', () => {
  expect(stack('build', 'go')).toBe('go is not installed: https://go.dev/doc/install\n')
  expect(stack('build', 'python')).toBe('python3 is not installed: https://www.python.org/downloads\n')
  expect(stack('build', 'fastify')).toBe('npm is not installed: https://nodejs.org\n')
  expect(stack('build', 'java')).toMatch(/^java is not installed: .*; mvn is not installed: https:/)
  expect(readdirSync(cache)).toEqual([])
})

test('a gateway that is not built says how to build it', () => {
  expect(() => stack('run', 'go', 'right')).toThrow(/go is not built; type: node .*stack\.mjs build go/)
})
