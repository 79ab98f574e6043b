import { join } from 'node:path'
import { RESOLVER_FILE, SETUP_FILE, SETUP_FOLDERS, SYSTEM_ACCOUNT_FILE } from '../shared/nats/setup-record.ts'
import type { Configuration } from './config.ts'

type Place = Pick<Configuration, 'stateDir' | 'operator'>

/** Folder of nsc's stores, keys and configuration. */
export function nscFolder({ stateDir }: Pick<Place, 'stateDir'>): string {
  return join(stateDir, 'nsc')
}

export function operatorFile({ operator }: Pick<Place, 'operator'>): string {
  return `${operator}.jwt`
}

/** All that a setup leaves in its folder, by its name there; what else is there is not its own. */
export function ownNames(place: Pick<Place, 'operator'>): string[] {
  const files = [operatorFile(place), SYSTEM_ACCOUNT_FILE, RESOLVER_FILE, SETUP_FILE]
  return ['nsc', ...files, ...Object.values(SETUP_FOLDERS)]
}
