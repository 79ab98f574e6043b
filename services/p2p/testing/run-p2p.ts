import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { bareEnvironment } from '../../shared/testing/environment.ts'
import { type Output, outputOf, type Ran } from '../../shared/testing/output.ts'

export interface Begun extends Output {
  readonly child: ChildProcess
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  /** Texts that it must never print. */
  readonly secrets?: readonly string[]
}

const NAMES = new URL('../../shared/testing/loopback-names.ts', import.meta.url).href

/** A command of a program of ours, as a process. */
export function begin(program: 'p2p' | 'bearer-node', args: readonly string[], options: RunOptions = {}): Begun {
  const main = join(import.meta.dirname, '../..', program, 'main.ts')
  const flags = ['--disable-warning=ExperimentalWarning', '--import', NAMES]
  const { env, cwd, secrets = [] } = options
  const child = spawn(process.execPath, [...flags, main, ...args], { cwd, env: { ...bareEnvironment, ...env } })
  const output = outputOf(child)
  child.stdin.end()
  const ended = output.ended.then((ran) => {
    if (secrets.some((secret) => `${ran.stdout}${ran.stderr}`.includes(secret))) throw new Error('a secret was printed')
    return ran
  })
  return { child, ...output, ended }
}

export function p2p(args: readonly string[], options?: RunOptions): Promise<Ran> {
  return begin('p2p', args, options).ended
}
