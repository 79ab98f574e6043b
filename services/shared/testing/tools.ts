import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const SCRIPT = fileURLToPath(new URL('../../../checks/tool-paths.ts', import.meta.url))

/** Paths of real programs, by name. They come from the toolchain, which builds what is missing. */
export function toolPaths<Name extends 'nsc' | 'nats-server' | 'postgres' | 'step' | 'step-ca'>(
  ...names: Name[]
): Readonly<Record<Name, string>> {
  const flags = ['--conditions=holdfast-source', '--disable-warning=ExperimentalWarning']
  const told = execFileSync(process.execPath, [...flags, SCRIPT, ...names], { encoding: 'utf8' })
  return JSON.parse(told) as Record<Name, string>
}
