import { readdirSync } from 'node:fs'
import { join } from 'node:path'

/** The systems under test: a folder of scenarios each. */
export function systems(): string[] {
  const folders = readdirSync(join(import.meta.dirname, '..', 'scenarios'), { withFileTypes: true })
  return folders
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .toSorted()
}

/** The system of a scenario file, by its path in the repository. */
export function systemOf(file: string): string | undefined {
  const [top, system] = file.split('/')
  return top === 'scenarios' ? system : undefined
}

/** `npm test -- peering`: the systems that were asked for; none means all. @throws UnknownSystem */
export function systemsAsked(names: readonly string[], known: readonly string[] = systems()): readonly string[] {
  const unknown = names.find((name) => !known.includes(name))
  if (unknown !== undefined) throw new UnknownSystem(unknown, known)
  return names
}

class UnknownSystem extends Error {
  constructor(name: string, known: readonly string[]) {
    super(
      `there is no system "${name}"; npm test takes the names of systems: ${known.join(', ')}, and without one tests all`,
    )
  }
}
