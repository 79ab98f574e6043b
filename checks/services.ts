import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './check.ts'

const folder = join(root, 'services')

/** The services that are programs, by their folders: what others share is none. */
export const services: readonly string[] = readdirSync(folder).filter((name) =>
  existsSync(join(folder, name, 'main.ts')),
)
