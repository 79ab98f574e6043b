import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { calloutOf } from './callout-log.ts'

const began = Date.parse('2026-11-30T02:39:23.034Z')

/** A log with these, each so many ms after the login began. */
function logged(...records: (readonly [afterMs: number, reason: string, more?: object])[]) {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-callout-log-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const decisionLog = join(folder, 'callout.jsonl')
  const lines = records.map(([afterMs, reason, more]) => {
    const ts = new Date(began + afterMs).toISOString()
    return `${JSON.stringify({ ts, cid: 7, action: 'nats:login', verdict: 'refused', reason, ...more })}\n`
  })
  writeFileSync(decisionLog, lines.join(''))
  const { decided } = calloutOf({ unit: 'auth-callout', account: 'AUTH', users: [], decisionLog })
  return async (until?: number) => (await decided({ cid: 7, began, ...(until && { until: began + until }) }))?.reason
}

test.each([
  ['from before it began', [[-1, 'token_missing']], undefined],
  ['from after its end', [[2_001, 'auth_unavailable']], undefined],
  ['of another number', [[5, 'token_missing', { cid: 8 }]], undefined],
  ['about a session', [[5, 'token_ended', { action: 'nats:session' }]], undefined],
  ['in time', [[0, 'host_unknown']], 'host_unknown'],
  [
    'in time, between others',
    [
      [-9, 'token_missing'],
      [5, 'host_unknown'],
      [9, 'san_mismatch'],
    ],
    'host_unknown',
  ],
] as const)('of a login counts no decision but one in time: %s', async (_, records, reason) => {
  expect(await logged(...records)(2_000)).toBe(reason)
})

test('it is found behind and before many others, and whole', async () => {
  const many = (afterMs: number) => Array.from({ length: 2_000 }, () => [afterMs, 'é'.repeat(50), { cid: 8 }] as const)
  expect(await logged(...many(-5), [3, 'host_unknown'], ...many(5))()).toBe('host_unknown')
})
