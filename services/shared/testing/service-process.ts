import { type ChildProcess, spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bareEnvironment } from './environment.ts'

/** A real process of a service. */
export interface TestService extends AsyncDisposable {
  readonly process: ChildProcess
  readonly stdout: () => string
  readonly stderr: () => string
  readonly exited: Promise<number | null>
  /** Its configuration, to be changed before a signal. */
  readonly configFile: string
}

const NAMES = new URL('./loopback-names.ts', import.meta.url).href
const WITHIN_MS = 10_000
/** Starting is all processor: on a busy machine it takes its time. */
const START_WITHIN_MS = 40_000

let written = 0

/** Starts a service by its folder name and does not wait. `command`: of a program that has several; `as`: another user. */
export function spawnService(
  service: string,
  folder: string,
  configuration: unknown,
  command: string[] = [],
  as: { uid?: number; gid?: number } = {},
): TestService {
  written += 1
  const configFile = join(folder, `${service}-${written}.json`)
  writeFileSync(configFile, JSON.stringify(configuration), { mode: 0o600 })
  const main = fileURLToPath(new URL(`../../${service}/main.ts`, import.meta.url))
  const process_ = spawn(process.execPath, ['--import', NAMES, main, ...command, '--config', configFile], {
    ...{ env: bareEnvironment, stdio: ['ignore', 'pipe', 'pipe'], ...as },
  })
  let [stdout, stderr] = ['', '']
  process_.stdout.on('data', (chunk) => {
    stdout += String(chunk)
  })
  process_.stderr.on('data', (chunk) => {
    stderr += String(chunk)
  })
  const exited = new Promise<number | null>((resolve) => process_.once('close', (code) => resolve(code)))
  return {
    ...{ process: process_, stdout: () => stdout, stderr: () => stderr, exited, configFile },
    async [Symbol.asyncDispose]() {
      process_.kill('SIGTERM')
      const timer = setTimeout(() => process_.kill('SIGKILL'), WITHIN_MS)
      await exited
      clearTimeout(timer)
    },
  }
}

/** Waits until it says that it has started. */
export async function startService(
  service: string,
  folder: string,
  configuration: unknown,
  command: string[] = [],
  as: { uid?: number; gid?: number } = {},
): Promise<TestService> {
  const started = spawnService(service, folder, configuration, command, as)
  const ended = started.exited.then((code) => {
    throw new Error(`${service} ended with ${code}: ${started.stderr()}`)
  })
  await Promise.race([until(() => started.stderr().includes('"started"'), service, START_WITHIN_MS), ended])
  return started
}

export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  return typeof address === 'object' && address !== null ? address.port : 0
}

/**
 * Resolves when `condition` holds; rejects after a bounded time. It is asked often at first and less often later, since asking a service
 * takes a handshake: `longestPauseMs` for a moment that must not be missed.
 */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string,
  withinMs = WITHIN_MS,
  longestPauseMs = 50,
): Promise<void> {
  const deadline = performance.now() + withinMs
  for (let pause = 10; !(await condition()); pause = Math.min(pause * 1.5, longestPauseMs)) {
    if (performance.now() > deadline) throw new Error(`waited ${withinMs} ms for ${what}`)
    await new Promise((resolve) => setTimeout(resolve, pause))
  }
}
