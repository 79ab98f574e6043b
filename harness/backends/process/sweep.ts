import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Plan } from '../../topology/plan.ts'
import { completeHistory } from '../evidence-folder.ts'
import { killProcessesOf } from './processes.ts'
import { type FoundRun, findRuns, removeRunFolder } from './run-folder.ts'

export interface Swept {
  run: string
  /** How many processes were still there. */
  processes: number
  folder: string
  /** Where its evidence is, when the run got so far. */
  evidence?: string
}

export interface SweepResult {
  swept: Swept[]
  /** Labels of runs that live, and were left alone. */
  alive: string[]
}

/** Removes what crashed runs left: processes that carry the run's label, and its folder. Its evidence is completed and kept. */
export async function sweepRuns(): Promise<SweepResult> {
  const runs = await findRuns()
  const dead = runs.filter((run) => !run.alive)
  const alive = runs.flatMap((run) => (run.alive && run.record !== undefined ? [run.record.run] : []))
  return { swept: await Promise.all(dead.map(sweepRun)), alive }
}

async function sweepRun({ folder, record }: FoundRun): Promise<Swept> {
  if (record === undefined) {
    await removeRunFolder(folder)
    return { run: 'unknown', processes: 0, folder }
  }
  const processes = await killProcessesOf(record.run)
  await saveHistory(folder, record.evidence)
  await removeRunFolder(folder)
  return { run: record.run, processes, folder, evidence: record.evidence }
}

/** A run may have died before there was a plan or any evidence; that must not keep its leftovers here. */
async function saveHistory(folder: string, evidence: string): Promise<void> {
  try {
    const plan = JSON.parse(await readFile(join(folder, 'plan.json'), 'utf8')) as Plan
    await completeHistory(evidence, plan, join(folder, 'nodes'))
  } catch (cause) {
    if (!(cause instanceof SyntaxError) && (cause as NodeJS.ErrnoException).code === undefined) throw cause
  }
}
