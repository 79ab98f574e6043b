import { HoldfastError } from '../errors.ts'
import type { Backend, BackendName } from './backend.ts'
import { processBackend } from './process/index.ts'

/** The named backend does not exist here. Code `HOLDFAST_BACKEND_UNKNOWN`. */
export class UnknownBackend extends HoldfastError {
  constructor(name: string) {
    const known = backends().map((entry) => entry.name)
    super('HOLDFAST_BACKEND_UNKNOWN', `there is no backend "${name}"; known: ${known.join(', ')}`)
  }
}

export const defaultBackend: BackendName = 'process'

/** All backends of this version. */
export function backends(): readonly Backend[] {
  return [processBackend]
}

export function backend(name: string = defaultBackend): Backend {
  const found = backends().find((entry) => entry.name === name)
  if (found === undefined) throw new UnknownBackend(name)
  return found
}
