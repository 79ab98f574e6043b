import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import type { ToldOutcome } from './subtle.ts'

const main = join(import.meta.dirname, 'main.ts')
const packageFolder = join(import.meta.dirname, '..', '..')

test('of the mutants inside of the guards of our services, the scenarios kill 95 %', async () => {
  const sabotage = (...more: string[]) => {
    const argv = [main, 'sabotage', '--subtle', ...more, '--calls', '0', '--json', 'scenarios/peering']
    const options = { cwd: packageFolder, maxBuffer: 64 << 20 }
    // It ends by 1 where something survives.
    return promisify(execFile)(process.execPath, argv, options).catch((failure: { stdout: string }) => failure)
  }
  await sabotage('--afresh')
  // It goes on with what none has killed, by tests that took too long the first time, beside all others.
  const report = JSON.parse((await sabotage()).stdout) as { killed: number; survived: number; outcomes: ToldOutcome[] }

  const tried = report.killed + report.survived
  const survivors = report.outcomes
    .filter(({ outcome, because }) => outcome === 'survived' && because === undefined)
    .map(({ id }) => id)
  expect(tried).toBeGreaterThanOrEqual(300)
  expect(report.killed / tried, survivors.join('\n')).toBeGreaterThanOrEqual(0.95)
  expect(survivors).toEqual([])
}, 7_200_000)
