import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import type { DemonstratedRow } from '../demonstrations/demonstration.ts'
import type { VerifiedRow } from '../demonstrations/verification.ts'
import { afterFailure, recordsOf } from './demo.ts'

test('after a failure the next step is the record of the call that failed', () => {
  const saidBy = { node: 'node-a', seq: 10, guard: null }
  const failed = recordsOf([
    { asExpected: true, saidBy, to: 'node-a' },
    { asExpected: false, saidBy, to: 'node-a' },
    { asExpected: false, to: 'node-b' },
  ])
  const text = afterFailure(failed, 'evidence')

  expect(text).toContain('Look at    row 2: record #10 of node-a\n           row 3: node-b recorded nothing\n')
  expect(text).toContain('evidence/history.jsonl')
  expect(text).toContain('docs/guides/read-the-evidence.md')
  expect(text).not.toContain('holdfast up')
})

interface Shown {
  readonly calls: DemonstratedRow[]
  readonly evidence: string
}

test.each([
  ['separate-auth', 6],
  ['shared-auth', 18],
])(
  'demo %s proves every row by the record of the called node',
  async (topology, count) => {
    const cwd = await mkdtemp(join(tmpdir(), 'holdfast-start-'))
    try {
      const main = join(import.meta.dirname, 'main.ts')
      const { stdout, stderr } = await promisify(execFile)(process.execPath, [main, 'demo', topology, '--json'], {
        cwd,
      })
      const { calls, ...verdict } = JSON.parse(stdout) as Shown

      expect(verdict).toMatchObject({ passed: count, failed: 0, didNotRun: [] })
      expect(calls.map(({ saidBy, to }) => saidBy?.node === to)).toEqual(calls.map(() => true))
      const refused = calls.filter(({ expected }) => expected !== 'accepted')
      expect(refused.filter(({ control }) => control?.accepted !== true)).toEqual([])
      expect(refused.length).toBeGreaterThanOrEqual(3)
      expect(stderr).toMatch(/✓ plan .*\n[\s\S]*✓ ready .*\n✓ preflight .*\n✓ calls .*\n✓ released /)
    } finally {
      await rm(cwd, { recursive: true, force: true })
    }
  },
  300_000,
)

test('demo federation shows calls at the lender, and what is left of them at the asker', async () => {
  const cwd = await mkdtemp(join(tmpdir(), 'holdfast-start-'))
  try {
    const main = join(import.meta.dirname, 'main.ts')
    const { stdout } = await promisify(execFile)(process.execPath, [main, 'demo', 'federation', '--json'], { cwd })
    const { calls, steps, ...verdict } = JSON.parse(stdout) as Shown & { steps: VerifiedRow[] }

    expect(verdict).toMatchObject({ passed: 11, failed: 0, didNotRun: [] })
    const refused = calls.filter(({ expected }) => expected !== 'accepted')
    expect(refused.map(({ received }) => received.reason)).toEqual([
      ...['resource_excluded', 'cert_untrusted', 'cert_revoked'],
      ...['grant_unknown', 'subject_mismatch', 'cert_unregistered'],
    ])
    expect(refused.filter(({ control }) => control?.accepted !== true)).toEqual([])
    expect(steps).toMatchObject([
      { step: 'F1 within scope', told: expect.stringMatching(/^of 13 tasks at B, A is lent the 6 /) },
      { step: 'F2 nothing kept', told: expect.stringMatching(/gets 6\. Of \d+ marks /) },
    ])
  } finally {
    await rm(cwd, { recursive: true, force: true })
  }
}, 300_000)

test('a topology that accepts nothing is told before anything starts', async () => {
  const cwd = await mkdtemp(join(tmpdir(), 'holdfast-mute-'))
  const units = { ca: { kind: 'step-ca', settings: {} } }
  const nodes = { ca: { host: 'ca.mute.test', domain: 'mute', units } }
  const lab = { name: 'mute', summary: 'A CA, and nobody to call.', trustDomains: { mute: { ca: 'ca' } }, nodes }
  try {
    await writeFile(join(cwd, 'mute.json'), JSON.stringify({ ...lab, credentials: {}, accepts: [] }))
    const main = join(import.meta.dirname, 'main.ts')
    const failed = promisify(execFile)(process.execPath, [main, 'demo', './mute.json', '--json'], { cwd })
    const { code, stdout, stderr } = await failed.catch((failure) => failure)

    expect(code).toBe(1)
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'HOLDFAST_NOTHING_TO_SHOW' } })
    expect(stderr).not.toContain('ready')
  } finally {
    await rm(cwd, { recursive: true, force: true })
  }
})
