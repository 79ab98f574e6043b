import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { bareEnvironment } from '../../shared/testing/environment.ts'

/** A program that has ended. */
export interface Ran {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface Begun {
  readonly child: ChildProcess
  readonly ended: Promise<Ran>
  readonly stdout: () => string
  readonly stderr: () => string
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
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', (chunk) => {
    stdout += chunk
  })
  child.stderr.on('data', (chunk) => {
    stderr += chunk
  })
  child.stdin.end()
  const ended = once(child, 'close').then(([code]) => {
    if (secrets.some((secret) => `${stdout}${stderr}`.includes(secret))) throw new Error('a secret was printed')
    return { code: code as number | null, stdout, stderr }
  })
  return { child, ended, stdout: () => stdout, stderr: () => stderr }
}

export function p2p(args: readonly string[], options?: RunOptions): Promise<Ran> {
  return begin('p2p', args, options).ended
}
