import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { HoldfastError } from '../errors.ts'
import type { Guards } from '../evidence/coverage.ts'
import { programEnvironment } from '../settings.ts'

/** A service does not say which guards it has. Code `HOLDFAST_GUARDS_UNKNOWN`. */
class GuardsUnknown extends HoldfastError {
  constructor(service: string, cause: unknown) {
    super('HOLDFAST_GUARDS_UNKNOWN', `service ${service}: its guards cannot be listed`, { cause })
  }
}

const withinMs = 20_000
const lister = fileURLToPath(new URL('list-guards.mjs', import.meta.url))

/** What a service itself declares; an empty object for a program that is none of ours. @throws GuardsUnknown */
export async function declaredGuards(service: string): Promise<Guards> {
  const folder = fileURLToPath(new URL(`../../services/${service}`, import.meta.url))
  if (!existsSync(folder)) return {}
  try {
    const argv = ['--disable-warning=ExperimentalWarning', lister, folder]
    const options = { timeout: withinMs, env: programEnvironment() }
    const { stdout } = await promisify(execFile)(process.execPath, argv, options)
    return JSON.parse(stdout) as Guards
  } catch (cause) {
    throw new GuardsUnknown(service, cause)
  }
}
