import { type SpawnOptions, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { BackendName } from '../backends/backend.ts'
import { HoldfastError } from '../errors.ts'
import { settings } from '../settings.ts'

/** The backends of this version; kept here as text, so that help does not load them. */
export const backendNames: readonly BackendName[] = ['process']

export interface CommonOptions {
  json?: boolean
  backend?: BackendName
  set: Readonly<Record<string, string>>
  keep?: boolean
}

/** The backend that the command line names, or else the setting. */
export function chosenBackend(options: Pick<CommonOptions, 'backend'>): BackendName {
  const name = options.backend ?? settings().backend
  const known = backendNames.find((candidate) => candidate === name)
  if (known !== undefined) return known
  const message = `HOLDFAST_BACKEND names the backend "${name}"; write one of ${backendNames.join(', ')}`
  throw new HoldfastError('HOLDFAST_BACKEND_UNKNOWN', message)
}

/** This very program in a process of its own, with the same backend and parameters. */
export function spawnHoldfast<O extends SpawnOptions>(
  argv: readonly string[],
  { backend, set }: Pick<CommonOptions, 'backend' | 'set'>,
  options: O,
) {
  const main = fileURLToPath(new URL(`main.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`, import.meta.url))
  const chosen = [
    ...(backend ? ['--backend', backend] : []),
    ...Object.entries(set).flatMap(([name, value]) => ['--set', `${name}=${value}`]),
  ]
  return spawn(process.execPath, [...process.execArgv, main, ...argv, ...chosen], options)
}
