import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { readPrivateFile } from './private-file.ts'
import { StartFailure } from './start-failure.ts'

const folder = mkdtempSync(join(tmpdir(), 'private-file-'))
afterAll(() => rmSync(folder, { recursive: true }))

function put(mode: number): string {
  const path = join(folder, mode.toString(8))
  writeFileSync(path, 'secret')
  chmodSync(path, mode)
  return path
}
const named = (mode: number) => [`0${mode.toString(8)}`, mode] as const
const read = (path: string) => () => readPrivateFile(path, `the key ${path}`)

test.each([0o600, 0o400, 0o700].map(named))('a file of mode %s is for its user alone', (_, mode) => {
  expect(read(put(mode))()).toBe('secret')
})

test.each([0o640, 0o604, 0o620, 0o602, 0o610, 0o601].map(named))(
  'a file of mode %s is for others, too, and not read',
  (_, mode) => {
    const path = put(mode)
    expect(read(path)).toThrow(
      new StartFailure('config_invalid', `the key ${path} can be read by others; make it 0600`),
    )
  },
)

test('a file that is not there, and one that is none, are named', () => {
  const [absent, below] = [join(folder, 'absent'), join(folder, 'folder')]
  mkdirSync(below, { mode: 0o700 })
  for (const [path, code] of [
    [absent, 'ENOENT'],
    [below, 'EISDIR'],
  ] as const) {
    expect(read(path)).toThrow(
      new StartFailure('config_invalid', `the key ${path} cannot be read (${code}); name a readable file`),
    )
  }
})
