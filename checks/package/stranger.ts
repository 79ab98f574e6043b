import { spawnSync } from 'node:child_process'
import { delimiter, dirname } from 'node:path'

/** What a stranger expects of the package does not hold. */
export class Failed extends Error {}

/** Runs a program as a stranger would, and answers what it printed. `exits`: the exit code that it must end with. */
export function run(cwd: string, [program = '', ...args]: readonly string[], exits = 0): string {
  const began = Date.now()
  // Installed programs start under the Node that is found by name: this one.
  const env = { ...process.env, PATH: [dirname(process.execPath), process.env.PATH].join(delimiter) }
  const { status, stdout, stderr, error } = spawnSync(program, args, { cwd, env, encoding: 'utf8', maxBuffer: 1 << 26 })
  const said = `${program} ${args.join(' ')} (${((Date.now() - began) / 1000).toFixed(1)}s)`
  if (error || status !== exits) {
    throw new Failed(`${said} ended with ${error?.message ?? status}, expected ${exits}\n${stdout}${stderr}`)
  }
  console.error(said)
  return stdout
}

export function demand(holds: boolean, what: string): void {
  if (!holds) throw new Failed(`expected: ${what}`)
}
