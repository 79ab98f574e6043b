import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { trialsIn } from './mutant-runner.ts'

test('trials are read while a line is being written, amid a letter of more than one byte, too', () => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-trials-'))
  const trials = [
    { number: 1, outcome: 'killed', test: 'größer' },
    { number: 2, outcome: 'survived', test: 'größer' },
  ]
  const [first, second] = trials.map((trial) => Buffer.from(`${JSON.stringify(trial)}\n`)) as [Buffer, Buffer]
  expect(trialsIn(folder)).toEqual([])
  for (let cut = 0; cut < second.length; cut += 1) {
    writeFileSync(join(folder, 'outcomes.jsonl'), Buffer.concat([first, second.subarray(0, cut)]))
    expect(trialsIn(folder)).toEqual([trials[0]])
  }
  writeFileSync(join(folder, 'outcomes.jsonl'), Buffer.concat([first, second]))
  expect(trialsIn(folder)).toEqual(trials)
  rmSync(folder, { recursive: true })
})
