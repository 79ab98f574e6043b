import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { settings } from '../settings.ts'

/** Path of the program of Linux that starts others with a parent to die with, and as another user; undefined where there is none. */
export function findSetpriv(): string | undefined {
  if (process.platform !== 'linux') return undefined
  return settings()
    .path.map((folder) => join(folder, 'setpriv'))
    .find((program) => existsSync(program))
}
