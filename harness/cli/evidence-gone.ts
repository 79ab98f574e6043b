import { existsSync } from 'node:fs'
import { join, relative } from 'node:path'
import { printPhase } from './output.ts'

/** Whether somebody took the evidence of a run away before it was over, which is theirs to do; it is told then. */
export function isEvidenceGone(folder: string): boolean {
  const isGone = !existsSync(join(folder, 'plan.json'))
  if (isGone)
    printPhase('note', 'evidence', `${relative('', folder)} was taken away while the run went on: it is not complete`)
  return isGone
}
