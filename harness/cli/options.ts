import { type SpawnOptions, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { BackendName } from '../backends/backend.ts'
import { HoldfastError } from '../errors.ts'
import { settings } from '../settings.ts'

/** The backends of this version; kept here as text, so that help does not load them. */
export const backendNames: readonly BackendName[] = ['process', 'netns', 'vm', 'machines']

export interface CommonOptions {
  json?: boolean
  backend?: BackendName
  set: Readonly<Record<string, string>>
  keep?: boolean
}

/** The backend that the command line names, or else the setting. @throws HoldfastError `HOLDFAST_BACKEND_UNKNOWN` */
export function chosenBackend({ backend }: Pick<CommonOptions, 'backend'>): BackendName {
  return backend ?? knownBackend(settings().backend, 'HOLDFAST_BACKEND')
}

/**
 * `process,netns`: the backends that a text names, in its order; `where`: who says so.
 *
 * @throws HoldfastError `HOLDFAST_BACKEND_UNKNOWN`, `HOLDFAST_BACKEND_TWICE`
 */
export function namedBackends(text: string, where = '--backend'): BackendName[] {
  const names = text.split(',').map((name) => knownBackend(name.trim(), where))
  const twice = names.find((name, at) => names.indexOf(name) !== at)
  if (twice === undefined) return names
  const message = `${where} names the backend "${twice}" twice; a ground is held against others, so write each once`
  throw new HoldfastError('HOLDFAST_BACKEND_TWICE', message)
}

function knownBackend(name: string, where: string): BackendName {
  const known = backendNames.find((candidate) => candidate === name)
  if (known !== undefined) return known
  const message = `${where} names the backend "${name}"; write one of ${backendNames.join(', ')}`
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
