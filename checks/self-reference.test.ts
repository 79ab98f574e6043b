import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'

test('the package finds its own sources by name, in vitest and in plain Node', async () => {
  const resolved = import.meta.resolve('holdfast/vitest')
  expect(resolved).toMatch(/\/harness\/vitest\.ts$/)
  const native = execFileSync(
    process.execPath,
    [
      '--conditions=holdfast-source',
      '--input-type=module',
      '-e',
      'console.log(import.meta.resolve("holdfast/vitest"))',
    ],
    { encoding: 'utf8' },
  )
  expect(native.trim()).toBe(resolved)
})
