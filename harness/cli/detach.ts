import { once } from 'node:events'
import { copyFile, open, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { runtimeFolder } from '../backends/run-folder.ts'
import { HoldfastError } from '../errors.ts'
import type { SiteDescription } from './describe-site.ts'
import { interruptible } from './interruption.ts'
import { type CommonOptions, spawnHoldfast } from './options.ts'
import { printJson, printNote, printResult } from './output.ts'

export interface UpOptions extends CommonOptions {
  /** Set by `--detach` on the process that it starts. */
  background?: boolean
}

/** `holdfast up --detach`. */
export async function upDetached(topology: string, options: UpOptions): Promise<void> {
  const description = await interruptible((signal) => startDetached(topology, options, signal))
  if (options.json) return printJson(description)
  const { renderSite } = await import('./describe-site.ts')
  printResult(renderSite(description))
}

/**
 * Starts `holdfast up` in a session of its own and resolves when its site is ready. What that process writes becomes
 * `up.log` in the evidence of the run.
 *
 * @throws HoldfastError `HOLDFAST_DETACHED_RUN_FAILED` with what it wrote and its exit code, when it ends before its site is ready.
 */
async function startDetached(topology: string, options: UpOptions, signal: AbortSignal): Promise<SiteDescription> {
  const log = join(await runtimeFolder(), `up-${process.pid}.log`)
  await using file = await open(log, 'w', 0o600)
  const argv = ['up', topology, '--background', ...(options.keep ? ['--keep'] : [])]
  const child = spawnHoldfast(argv, options, { detached: true, stdio: ['ignore', file.fd, file.fd, 'ipc'] })
  const stop = (): void => void child.kill('SIGTERM')
  signal.addEventListener('abort', stop)
  try {
    const told = await Promise.race([once(child, 'message'), once(child, 'exit').then(() => [])])
    const [description] = told as [SiteDescription?]
    const written = await readFile(log, 'utf8')
    if (description === undefined) {
      await rm(log, { force: true })
      const message = `"${topology}" did not come up:\n${written.trimEnd()}`
      throw Object.assign(new HoldfastError('HOLDFAST_DETACHED_RUN_FAILED', message), { exitCode: child.exitCode })
    }
    await moveFile(log, join(description.evidence, 'up.log'))
    printNote(written)
    child.unref()
    return description
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

/** The process goes on writing to the file wherever it lies; across file systems only what it wrote so far is kept. */
async function moveFile(from: string, to: string): Promise<void> {
  await rename(from, to).catch(async () => {
    await copyFile(from, to)
    await rm(from)
  })
}

/** Tells the waiting `holdfast up --detach` that the site is ready, and lets go of it. */
export function reportReady(description: SiteDescription): void {
  process.send?.(description, undefined, {}, () => process.disconnect?.())
}
