import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { clockMissing } from '../toolchain/libfaketime.ts'
import type { ScenarioReport } from './run-scenarios.ts'

const main = join(import.meta.dirname, 'main.ts')
const packageFolder = join(import.meta.dirname, '..', '..')
const dayMs = 86_400_000

// The smallest site of the suite, and one launch for each time: what has a date in it breaks here, before that day comes.
test.skipIf(clockMissing() !== undefined).each([
  ['+30d', 30],
  ['+1y', 365],
])(
  'a scenario of the suite holds at %s, and all that is written down is of that time',
  async (at, days) => {
    const began = Date.now() + days * dayMs
    const argv = [main, 'test', 'misbound-tokens-are', '--at', at, '--json']
    const { stdout } = await promisify(execFile)(process.execPath, argv, { cwd: packageFolder })
    const { passed, didNotRun, runs } = JSON.parse(stdout) as ScenarioReport
    expect(didNotRun).toEqual([])
    expect(passed).toBeGreaterThan(0)

    const history = await readFile(join(runs[0]!, 'history.jsonl'), 'utf8')
    const records = history.split('\n').filter((line) => line.includes('"kind":"decision"'))
    const times = records.map((line) => Date.parse((JSON.parse(line) as { decision: { ts: string } }).decision.ts))
    expect(times.length).toBeGreaterThan(passed)
    expect(Math.min(...times)).toBeGreaterThanOrEqual(began)
    expect(Math.max(...times)).toBeLessThanOrEqual(Date.now() + days * dayMs)
  },
  300_000,
)
