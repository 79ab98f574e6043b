import { execFile } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { HoldfastError } from '../errors.ts'
import type { Guards } from '../evidence/coverage.ts'
import { programEnvironment } from '../settings.ts'

/** A service does not say which guards it has. Code `HOLDFAST_GUARDS_UNKNOWN`. */
class GuardsUnknown extends HoldfastError {
  constructor(service: string, cause: unknown) {
    super('HOLDFAST_GUARDS_UNKNOWN', `${service}: its guards cannot be listed`, { cause })
  }
}

const withinMs = 20_000
const services = fileURLToPath(new URL('../../services', import.meta.url))
const lister = fileURLToPath(new URL('list-guards.mjs', import.meta.url))

/** What a program itself declares: a service, or a subcommand of one. An empty object for a program that is none of ours. @throws GuardsUnknown */
export async function declaredGuards(program: string): Promise<Guards> {
  const entry = entryOf(program)
  if (entry === undefined) return {}
  try {
    const argv = ['--disable-warning=ExperimentalWarning', lister, entry]
    const options = { timeout: withinMs, env: programEnvironment() }
    const { stdout } = await promisify(execFile)(process.execPath, argv, options)
    return JSON.parse(stdout) as Guards
  } catch (cause) {
    throw new GuardsUnknown(program, cause)
  }
}

/** Names of the programs of a service: itself, and each subcommand that has a folder of its name. */
export function programsOf(service: string): string[] {
  const folders = readdirSync(join(services, service), { withFileTypes: true }).filter((entry) => entry.isDirectory())
  const subcommands = folders.filter(({ name }) => moduleIn(join(services, service, name), 'subcommand') !== undefined)
  return [service, ...subcommands.map(({ name }) => name)]
}

function entryOf(program: string): string | undefined {
  const own = moduleIn(join(services, program), 'main')
  if (own !== undefined) return own
  const service = readdirSync(services).find((name) => moduleIn(join(services, name, program), 'subcommand'))
  return service && moduleIn(join(services, service, program), 'subcommand')
}

function moduleIn(folder: string, name: string): string | undefined {
  return ['ts', 'js'].map((suffix) => join(folder, `${name}.${suffix}`)).find((path) => existsSync(path))
}
