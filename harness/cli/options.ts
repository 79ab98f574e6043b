import { InvalidArgumentError, Option } from 'commander'
import type { BackendName } from '../backends/backend.ts'
import { HoldfastError } from '../errors.ts'
import { secondsFromNow } from '../faults/clock/parse-at.ts'
import { settings } from '../settings.ts'

/** The backends of this version; kept here as text, so that help does not load them. */
export const backendNames: readonly BackendName[] = ['process']

export interface CommonOptions {
  json?: boolean
  backend?: BackendName
  set: Record<string, string>
  keep?: boolean
}

export function jsonOption(what = 'print the result as one JSON value'): Option {
  return new Option('--json', what)
}

export function backendOption(): Option {
  return new Option('--backend <name>', 'where nodes run (default: "process")').choices(backendNames)
}

export function keepOption(what: string): Option {
  return new Option('--keep', what)
}

/** `--set nodes=4 --set auth=shared`: parameters of the topology. */
export function setOption(): Option {
  return new Option('--set <key=value>', 'parameter of the topology; may be repeated')
    .argParser(collectParameter)
    .default({}, 'the topology’s own defaults')
}

/** `--at +30d`: how far from now clocks begin, in seconds. */
export function atOption(): Option {
  return new Option('--at <offset>', 'run in the future or the past: +30d, +1y, -2h; units s m h d w y').argParser(
    (text) => {
      const seconds = secondsFromNow(text)
      if (seconds === undefined) throw new InvalidArgumentError('Write a sign, a number and a unit, for example +30d.')
      return seconds
    },
  )
}

function collectParameter(text: string, previous: Record<string, string>): Record<string, string> {
  const split = /^([A-Za-z][\w-]*)=(.*)$/s.exec(text)
  if (split === null) throw new InvalidArgumentError('Write it as key=value, for example nodes=4.')
  const [, key = '', value = ''] = split
  if (Object.hasOwn(previous, key)) throw new InvalidArgumentError(`"${key}" is set twice.`)
  return { ...previous, [key]: value }
}

/** The backend that the command line names, or else the setting. */
export function chosenBackend(options: { backend?: BackendName }): BackendName {
  const name = options.backend ?? settings().backend
  const known = backendNames.find((candidate) => candidate === name)
  if (known === undefined) throw new UnknownBackend(name)
  return known
}

class UnknownBackend extends HoldfastError {
  constructor(name: string) {
    super(
      'HOLDFAST_UNKNOWN_BACKEND',
      `HOLDFAST_BACKEND names the backend "${name}"; write one of ${backendNames.join(', ')}`,
    )
  }
}
