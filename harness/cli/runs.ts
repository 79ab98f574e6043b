import { findRuns, type RunRecord } from '../backends/process/run-folder.ts'

export type RunningSite = RunRecord

/** The sites of this user on this machine whose owner still lives; what a crash left is for `holdfast sweep`. */
export async function runningSites(): Promise<RunningSite[]> {
  const found = await findRuns()
  return found.flatMap(({ record, alive }) => (record !== undefined && alive ? [record] : []))
}
