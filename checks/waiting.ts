import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')

/** All scenario files, relative to the repository. */
export function scenarioFiles(): string[] {
  return globSync('scenarios/**/*.scenario.ts', { cwd: root }).toSorted()
}

/** Those that mostly wait, as the options of their scenario say: they run beside the ones that compute. */
export function waitingFiles(): string[] {
  return scenarioFiles().filter((file) => saysThatItWaits(readFileSync(join(root, file), 'utf8')))
}

/** The source is asked, as nobody has run it yet when files are given out to workers. The type of the option allows no other word. */
export function saysThatItWaits(source: string): boolean {
  return /\bwaits: true\b/.test(source)
}
