import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { RunSettings } from '../agent/protocol.ts'
import type { Plan } from '../topology/plan.ts'
import type { Backend } from './backend.ts'
import { removeCopies } from './copies.ts'
import { completeEvidence, decisionTexts, knownIn } from './evidence-folder.ts'
import { type FoundRun, findRuns, type RunRecord, removeRunFolder } from './run-folder.ts'

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
  /** Runs of which something may be left where nobody could look, and why. Their folders stay, so that they can be swept again. */
  left: { run: string; reason: string }[]
}

/**
 * Removes what crashed runs left: processes that carry the run's label, and its folder. Its evidence is completed and kept. What cannot
 * be swept keeps no other run from it.
 */
export async function sweepRuns(backendOf: (name: string) => Backend): Promise<SweepResult> {
  const runs = await findRuns()
  const dead = runs.filter((run) => !run.alive)
  const alive = runs.flatMap((run) => (run.alive && run.record !== undefined ? [run.record.run] : []))
  const result: SweepResult = { swept: [], alive, left: [] }
  const sweeping = await Promise.allSettled(dead.map((run) => sweepRun(run, backendOf)))
  for (const [index, one] of sweeping.entries()) {
    if (one.status === 'fulfilled') result.swept.push(one.value)
    else result.left.push({ run: dead[index]!.record?.run ?? dead[index]!.folder, reason: reasonOf(one.reason) })
  }
  return result
}

/** Of several machines, each says its own. */
function reasonOf(failure: Error): string {
  if (!(failure instanceof AggregateError)) return failure.message
  return [failure.message, ...failure.errors.map(reasonOf)].join('; ')
}

async function sweepRun({ folder, record }: FoundRun, backendOf: (name: string) => Backend): Promise<Swept> {
  if (record === undefined) {
    await removeRunFolder(folder)
    return { run: 'unknown', processes: 0, folder }
  }
  const ground = backendOf(record.backend)
  const processes = await ground.sweep(record)
  await saveHistory(folder, record, ground)
  await removeRunFolder(folder)
  return { run: record.run, processes, folder, evidence: record.evidence }
}

/** A run may have died before there was a plan or any evidence; that must not keep its leftovers here. */
async function saveHistory(folder: string, record: RunRecord, ground: Backend): Promise<void> {
  const json = async (name: string) => JSON.parse(await readFile(join(folder, name), 'utf8')) as unknown
  try {
    const [plan, run] = [(await json('plan.json')) as Plan, (await json('settings.json')) as RunSettings]
    // What a node with files of its own copied ended with it, or is for whoever serves it: at that place here lies something else.
    if (!ground.capabilities.ownKernel && !ground.capabilities.remoteHosts) await removeCopies(plan, run)
    const logs = await decisionTexts(plan, run, (path) => ground.readLeft(record, path))
    await completeEvidence(record.evidence, logs, await knownIn(folder))
  } catch (cause) {
    if (!(cause instanceof SyntaxError) && (cause as NodeJS.ErrnoException).code === undefined) throw cause
  }
}
