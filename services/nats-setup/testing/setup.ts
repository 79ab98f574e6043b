import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { testFolder } from '../../shared/testing/certificates.ts'
import { toolPaths } from '../../shared/testing/tools.ts'
import { type Configuration, loadConfig } from '../config.ts'
import { type SetUp, setUp } from '../setup.ts'

/** A store of the real nsc, made once; tests work on copies of it. */
export interface TestSetup extends Disposable {
  readonly configuration: Configuration
  readonly setUp: SetUp
  /** A configuration whose folders are a copy of this one's. */
  copy(changes?: Partial<Configuration>): Configuration
  /** Of a folder that is empty. */
  empty(changes?: Partial<Configuration>): Configuration
}

export async function testSetup(given: Partial<Configuration> = {}): Promise<TestSetup> {
  const umask = process.umask(0o077)
  const folder = testFolder()
  const { nsc } = toolPaths('nsc')
  let made = 0
  const empty = (changes: Partial<Configuration> = {}): Configuration => {
    made += 1
    const stateDir = join(folder, String(made), 'state')
    mkdirSync(join(folder, String(made)))
    const own = loadConfig({ flags: { nsc, stateDir, resolverDir: join(folder, 'resolver') } })
    return { ...own, ...given, ...changes }
  }
  const configuration = empty()
  return {
    configuration,
    setUp: await setUp(configuration),
    empty,
    copy(changes) {
      const copied = empty(changes)
      cpSync(configuration.stateDir, copied.stateDir, { recursive: true })
      return copied
    },
    [Symbol.dispose]() {
      process.umask(umask)
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** An nsc that is killed from its n-th call on, after or before it did what it was asked: some calls are made side by side, in any order. */
export function failingNsc(
  folder: string,
  { nsc, at, how }: { nsc: string; at: number; how: 'before' | 'after' },
): string {
  const path = join(folder, `nsc-${how}-${at}`)
  const count = `${path}.count`
  const die = 'kill -9 $$'
  const lines = [
    '#!/bin/sh',
    `echo x >> '${count}'`,
    `if [ "$(wc -l < '${count}')" -ge ${at} ]; then ${how === 'before' ? die : `'${nsc}' "$@"; ${die}`}; fi`,
    `exec '${nsc}' "$@"`,
  ]
  writeFileSync(path, `${lines.join('\n')}\n`, { mode: 0o700 })
  return path
}

/** An nsc whose pushes that wait for a second fail for this reason; and the pushes that it was asked for. */
export function impatientNsc(folder: string, nsc: string, reason: string): { nsc: string; pushes(): string[] } {
  const path = join(folder, `nsc-impatient-${reason.replaceAll(/\W/g, '-')}`)
  const log = `${path}.log`
  const lines = [
    '#!/bin/sh',
    'case "$*" in push*)',
    `  echo "$*" >> '${log}'`,
    `  case "$*" in *"--timeout 1 "*) echo "[ERR ] failed to get response to push account: ${reason}" >&2; exit 1;; esac;;`,
    'esac',
    `exec '${nsc}' "$@"`,
  ]
  writeFileSync(path, `${lines.join('\n')}\n`, { mode: 0o700 })
  const pushes = () => readFileSync(log, 'utf8').trim().split('\n')
  return { nsc: path, pushes }
}

const MAIN = fileURLToPath(new URL('../main.ts', import.meta.url))

/** The program itself, as it is started elsewhere. */
export function startProgram(
  configuration: Configuration,
  args: readonly string[],
): ChildProcessByStdio<Writable, Readable, Readable> {
  const file = join(configuration.stateDir, '../config.json')
  writeFileSync(file, JSON.stringify(configuration), { mode: 0o600 })
  return spawn(process.execPath, [MAIN, ...args, '--config', file], { stdio: 'pipe' })
}
