import { type SweepResult, sweepRuns } from '../backends/sweep.ts'
import { backend } from '../shipped.ts'
import { exitCode } from './exit-code.ts'
import { printJson, printNote, printResult, table } from './output.ts'

/** Sweeps the runs of every backend. */
export function sweepAll(): Promise<SweepResult> {
  return sweepRuns(backend)
}

export async function sweep({ json }: { json?: boolean }): Promise<void> {
  const result = await sweepAll()
  if (result.left.length > 0) process.exitCode = exitCode.failed
  if (json) return printJson(result)
  const rows = result.swept.map(({ run, processes, evidence }) => [run, String(processes), evidence ?? ''])
  const nothing = result.left.length > 0 ? 'nothing swept' : 'nothing to sweep'
  printResult(rows.length > 0 ? table(['swept', 'processes', 'evidence'], rows) : nothing)
  tellLeft(result.left)
  if (result.alive.length > 0) printNote(`alive, left alone: ${result.alive.join(', ')}`)
}

export function tellLeft(left: SweepResult['left']): void {
  for (const { run, reason } of left) printNote(`not swept: ${run}: ${reason}`)
}
