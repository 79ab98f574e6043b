import { type SweepResult, sweepRuns } from '../backends/sweep.ts'
import { backend } from '../shipped.ts'
import { printJson, printNote, printResult, table } from './output.ts'

/** Sweeps the runs of every backend. */
export function sweepAll(): Promise<SweepResult> {
  return sweepRuns(backend)
}

export async function sweep({ json }: { json?: boolean }): Promise<void> {
  const result = await sweepAll()
  if (json) return printJson(result)
  const rows = result.swept.map(({ run, processes, evidence }) => [run, String(processes), evidence ?? ''])
  printResult(rows.length > 0 ? table(['swept', 'processes', 'evidence'], rows) : 'nothing to sweep')
  if (result.alive.length > 0) printNote(`alive, left alone: ${result.alive.join(', ')}`)
}
