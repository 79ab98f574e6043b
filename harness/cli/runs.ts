import { existsSync } from 'node:fs'
import { stat, writeFile } from 'node:fs/promises'
import { isAbsolute, join, relative, sep } from 'node:path'
import { findRuns, type RunRecord } from '../backends/run-folder.ts'
import { settings } from '../settings.ts'

export interface RunningSite extends RunRecord {
  /** Folder that the command was typed in. */
  from: string
  /** ISO 8601. */
  startedAt: string
}

/** The sites of this user on this machine whose owner still lives; what a crash left is for `holdfast sweep`. */
export async function runningSites(): Promise<RunningSite[]> {
  const living = (await findRuns()).flatMap(({ folder, record, alive }) =>
    record && alive ? [{ folder, record }] : [],
  )
  return Promise.all(
    living.map(async ({ folder, record }) => {
      const { mtime } = await stat(join(folder, 'run.json'))
      const from = record.evidence.replace(/\/\.holdfast\/runs\/[^/]+$/, '')
      return { ...record, from, startedAt: mtime.toISOString() }
    }),
  )
}

/** Whether a run was started in this folder or below it: the others are somebody else's work. */
export function isOfThisFolder({ evidence }: RunningSite): boolean {
  const path = relative(process.cwd(), evidence)
  return path !== '..' && !path.startsWith(`..${sep}`) && !isAbsolute(path)
}

/** Tells the owner of a run, before it is sent a signal, who ends it. */
export async function announceDown({ run }: RunningSite): Promise<void> {
  await writeFile(downFile(run), '', { mode: 0o600 })
}

/** Whether `holdfast down` ends this run. */
export function isEndedByDown(run: string): boolean {
  return existsSync(downFile(run))
}

function downFile(run: string): string {
  return join(settings().runtimeDir, run, 'down')
}
