import { startTime } from '../backends/process/processes.ts'
import { findRuns, type RunRecord } from '../backends/process/run-folder.ts'

export type RunningSite = RunRecord

/** The sites of this user on this machine whose owner still lives; what a crash left is for `holdfast sweep`. */
export async function runningSites(): Promise<RunningSite[]> {
  const found = await findRuns()
  return found.flatMap(({ record, alive }) => (record !== undefined && alive ? [record] : []))
}

/** Whether the process that stood a site up is still there; a process that got its number later is another one. */
export async function ownerLives({ pid, startTime: began }: RunningSite): Promise<boolean> {
  return (await startTime(pid)) === began
}
