import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { SiteEvent } from '../evidence/event.ts'
import type { Plan } from '../topology/plan.ts'
import { EvidenceFolder } from './evidence-folder.ts'
import type { RunRecord } from './run-folder.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-evidence-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const plan = { nodes: { a: { name: 'a', units: [] } } } as unknown as Plan
const line = (text: string): SiteEvent => {
  return { at: new Date().toISOString(), event: 'log', node: 'a', unit: 'gate', line: text } as SiteEvent
}

function evidenceFolder(): Promise<EvidenceFolder> {
  return EvidenceFolder.create({ record: { evidence: join(folder, 'evidence') } as RunRecord, folder }, plan)
}

test('what could not be written is told in the end, and the rest is whole', async () => {
  const evidence = await evidenceFolder()
  // A write that fails, as on a full disk.
  mkdirSync(join(evidence.path, 'logs', 'a', 'gate.log'))
  evidence.record(line('first'))

  await expect(evidence.close([])).rejects.toMatchObject({
    code: 'HOLDFAST_EVIDENCE_INCOMPLETE',
    cause: { code: 'EISDIR' },
  })
  expect(readFileSync(join(evidence.path, 'history.jsonl'), 'utf8')).toContain('first')
})

test('where all could be written, nothing is told, nor where somebody took the folder away', async () => {
  const whole = await evidenceFolder()
  whole.record(line('first'))
  await whole.close([])
  expect(readFileSync(join(whole.path, 'logs', 'a', 'gate.log'), 'utf8')).toContain('first')

  const taken = await evidenceFolder()
  rmSync(taken.path, { recursive: true })
  taken.record(line('second'))
  await taken.close([])
})

test('of a unit that prints on and on the first and the last megabytes are kept, and how much is between them', async () => {
  const evidence = await evidenceFolder()
  const long = (text: string) => line(text.padEnd(1_024, '.'))
  const count = 30_000
  for (let at = 0; at < count; at += 1) evidence.record(long(`line ${at} `))
  evidence.record({ ...line('of another'), unit: 'other' } as SiteEvent)
  await evidence.close([])

  const kept = readFileSync(join(evidence.path, 'logs', 'a', 'gate.log'), 'utf8')
    .trimEnd()
    .split('\n')
  const gap = kept.findIndex((one) => one.includes(' are left out here'))
  expect(kept[0]).toContain(' line 0 ')
  expect(kept.at(-1)).toContain(` line ${count - 1} `)
  expect(kept[gap]).toContain(`… ${count - kept.length + 1} lines (${(count - kept.length + 1) * 1_024} characters)`)
  expect([gap, kept.length - gap - 1]).toEqual([4_096, 4_096])
  const history = readFileSync(join(evidence.path, 'history.jsonl'), 'utf8')
  expect(history.length).toBeLessThan(12_000_000)
  expect(history).toContain(' are left out here')
  expect(readFileSync(join(evidence.path, 'logs', 'a', 'other.log'), 'utf8')).toContain('of another')
})
