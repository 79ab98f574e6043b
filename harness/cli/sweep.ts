import { Command } from 'commander'
import type { SweepResult } from '../backends/sweep.ts'
import { jsonOption } from './options.ts'
import { printJson, printNote, printResult, table } from './output.ts'

/** Sweeps the runs of every backend. */
export async function sweepAll(): Promise<SweepResult> {
  const [{ sweepRuns }, { backend }] = await Promise.all([import('../backends/sweep.ts'), import('../shipped.ts')])
  return sweepRuns(backend)
}

export function sweep(): Command {
  return new Command('sweep')
    .description(
      'Remove what crashed runs left: processes and folders that carry the label of a run. Live runs are left alone.',
    )
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
A run is alive as long as the process that stood it up. Its evidence is kept, and completed with the decision records
that its nodes had written.

Examples:
  npx holdfast sweep
  npx holdfast sweep --json`,
    )
    .action(async (options: { json?: boolean }) => {
      const result = await sweepAll()
      if (options.json) return printJson(result)
      const rows = result.swept.map(({ run, processes, evidence }) => [run, String(processes), evidence ?? ''])
      printResult(rows.length > 0 ? table(['swept', 'processes', 'evidence'], rows) : 'nothing to sweep')
      if (result.alive.length > 0) printNote(`alive, left alone: ${result.alive.join(', ')}`)
    })
}
