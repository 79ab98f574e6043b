import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { HoldfastError } from '../errors.ts'
import { userEnvironment } from '../settings.ts'
import { packageFile } from './package-file.ts'
import type { ParameterDeclarations } from './parameters.ts'

const run = promisify(execFile)

/** There is no Nix on this machine. */
export class NixMissing extends HoldfastError {
  constructor(file: string, cause: unknown) {
    super(
      'HOLDFAST_NIX_MISSING',
      `${file} is written in Nix, and there is no nix-instantiate on PATH; install Nix, or write the topology as .json or .ts`,
      { cause },
    )
  }
}

/** Nix could not evaluate a file; the message holds what Nix said. */
export class NixFailed extends HoldfastError {
  constructor(what: string, stderr: string) {
    const said = stderr.split('\n').findLast((line) => /error:/.test(line)) ?? stderr.trim().slice(-2_000)
    super('HOLDFAST_NIX_FAILED', `${what}: ${said.replace(/^.*?error: /, '').trim()}`)
  }
}

/** The first line of `nix-instantiate --version`, or `undefined` where there is none. */
export async function nixVersion(): Promise<string | undefined> {
  return run('nix-instantiate', ['--version'], { env: userEnvironment() }).then(
    ({ stdout }) => stdout.trim(),
    () => undefined,
  )
}

/** Value and parameters of a topology file, evaluated by the machine's own Nix without a store, network or build. */
export async function evaluateTopologyFile(
  file: string,
  set: Readonly<Record<string, string>>,
): Promise<{ value: unknown; parameters: ParameterDeclarations }> {
  const library = fileURLToPath(await packageFile('nix/lib/topology.nix'))
  const args = ['-A', 'evaluate', '--argstr', 'file', file, '--argstr', 'parameters', JSON.stringify(set)]
  return (await evaluateNix(file, library, args)) as { value: unknown; parameters: ParameterDeclarations }
}

/** What a Nix file evaluates to, as JSON. `what` names it in errors. */
export async function evaluateNix(what: string, file: string, args: readonly string[] = []): Promise<unknown> {
  const argv = ['--eval', '--strict', '--json', '--store', 'dummy://', file, ...args]
  const limits = { timeout: 60_000, maxBuffer: 64 * 1024 * 1024 }
  const { stdout } = await run('nix-instantiate', argv, { ...limits, env: userEnvironment() }).catch((cause) => {
    if (cause.code === 'ENOENT') throw new NixMissing(what, cause)
    throw new NixFailed(what, String(cause.stderr ?? cause))
  })
  return JSON.parse(stdout)
}
