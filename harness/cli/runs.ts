import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { settings } from '../settings.ts'

/** A site that some process on this machine stood up, as it says of itself in `<runtimeDir>/<run>/run.json`. */
export interface Run {
  run: string
  topology: string
  backend: string
  /** The process that stood it up: the site lives as long as it does. */
  pid: number
  startTime: string
  evidence: string
  alive: boolean
}
