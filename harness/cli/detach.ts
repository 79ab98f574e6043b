import { spawn } from 'node:child_process'
import { mkdir, open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { HoldfastError } from '../errors.ts'
import { settings } from '../settings.ts'
import type { SiteDescription } from './describe-site.ts'
import { printNote } from './output.ts'
import type { UpOptions } from './up.ts'

class DetachedRunFailed extends HoldfastError {
  constructor(topology: string, log: string, tail: string) {
    super('HOLDFAST_DETACHED_RUN_FAILED', `"${topology}" did not come up; its output is in ${log}\n${tail}`)
  }
}

/**
 * Starts `holdfast up` in a session of its own and resolves when its site is ready. What it writes goes to a file in the
 * runtime folder.
 *
 * @throws DetachedRunFailed with the end of that file, when the process ends before its site is ready.
 */
export async function startDetached(
  topology: string,
  options: UpOptions,
  signal: AbortSignal,
): Promise<SiteDescription> {
  const folder = settings().runtimeDir
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const log = join(folder, `up-${process.pid}.log`)
  await using file = await open(log, 'w', 0o600)
  const main = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? './main.ts' : './main.js', import.meta.url))
  const child = spawn(
    process.execPath,
    [...process.execArgv, main, 'up', topology, '--background', ...passOn(options)],
    {
      detached: true,
      stdio: ['ignore', file.fd, file.fd, 'ipc'],
    },
  )
  const stop = (): void => void child.kill('SIGTERM')
  signal.addEventListener('abort', stop)
  try {
    const description = await new Promise<SiteDescription | undefined>((resolve, reject) => {
      child.once('message', (message) => resolve(message as unknown as SiteDescription))
      child.once('exit', () => resolve(undefined))
      child.once('error', reject)
    })
    const written = await readFile(log, 'utf8')
    if (description === undefined) throw new DetachedRunFailed(topology, log, written.trimEnd())
    printNote(written)
    child.unref()
    return description
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

function passOn(options: UpOptions): string[] {
  return [
    ...(options.backend ? ['--backend', options.backend] : []),
    ...(options.keep ? ['--keep'] : []),
    ...Object.entries(options.set).flatMap(([key, value]) => ['--set', `${key}=${value}`]),
  ]
}

/** Tells the waiting `holdfast up --detach` that the site is ready, and lets go of it. */
export function reportReady(description: SiteDescription): void {
  process.send?.(description, undefined, {}, () => process.disconnect?.())
}
