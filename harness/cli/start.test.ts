import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import type { DemonstratedRow } from './demonstration.ts'
import { afterFailure } from './start.ts'

test('after a failure the next step is the record of the call that failed', () => {
  const saidBy = { node: 'node-a', seq: 10, guard: null }
  const text = afterFailure(
    [
      { asExpected: true, saidBy, to: 'node-a' },
      { asExpected: false, saidBy, to: 'node-a' },
      { asExpected: false, to: 'node-b' },
    ],
    'evidence',
  )

  expect(text).toContain('Look at    row 2: record #10 of node-a\n           row 3: node-b recorded nothing\n')
  expect(text).toContain('evidence/history.jsonl')
  expect(text).toContain('docs/guides/read-the-evidence.md')
  expect(text).not.toContain('holdfast up')
})

test('what npm start runs proves every row by the record of the called node', async () => {
  const cwd = await mkdtemp(join(tmpdir(), 'holdfast-start-'))
  try {
    const main = join(import.meta.dirname, 'main.ts')
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [main, 'start', '--json'], { cwd })
    const { calls, ...verdict } = JSON.parse(stdout) as { calls: DemonstratedRow[]; evidence: string }

    expect(verdict).toMatchObject({ passed: 6, failed: 0, didNotRun: [] })
    expect(calls.map(({ saidBy, to }) => saidBy?.node === to)).toEqual(calls.map(() => true))
    expect(stderr).toMatch(/✓ plan .*\n[\s\S]*✓ ready .*\n✓ preflight .*\n✓ calls .*\n✓ released /)
  } finally {
    await rm(cwd, { recursive: true, force: true })
  }
}, 300_000)
