import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bareEnvironment } from '../../shared/testing/environment.ts'
import { until } from '../../shared/testing/service-process.ts'

export { freePort, until } from '../../shared/testing/service-process.ts'

export interface DecisionLine {
  action: string
  verdict: string
  layer: string
  status: number | null
  error: string | null
  guard: string | null
  reason: string | null
  conn: string
  principal: Record<string, string>
}

/** A real orchestrator process. */
export interface TestOrchestrator extends AsyncDisposable {
  readonly process: ChildProcess
  readonly peering: number
  readonly local: number
  readonly stderr: () => string
  decisions(): DecisionLine[]
  exited: Promise<number | null>
}

const MAIN = fileURLToPath(new URL('../main.ts', import.meta.url))
const NAMES = new URL('../../shared/testing/loopback-names.ts', import.meta.url).href
/** Bounded waits everywhere: a program that hangs fails its test, not the whole run. */
const WITHIN_MS = 10_000
/** Starting is all processor: on a busy machine it takes its time. */
const START_WITHIN_MS = 40_000

let written = 0

/** Starts it and does not wait. `env` is all of its environment. */
export function spawnOrchestrator(
  folder: string,
  configuration: unknown,
  options: { args?: string[]; env?: Record<string, string> } = {},
): { process: ChildProcess; stderr: () => string; stdout: () => string; exited: Promise<number | null> } {
  written += 1
  const file = join(folder, `orchestrator-${written}.json`)
  writeFileSync(file, typeof configuration === 'string' ? configuration : JSON.stringify(configuration), {
    mode: 0o600,
  })
  const child = spawn(process.execPath, ['--import', NAMES, MAIN, '--config', file, ...(options.args ?? [])], {
    env: { ...bareEnvironment, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stderr = ''
  let stdout = ''
  child.stderr.on('data', (chunk) => {
    stderr += String(chunk)
  })
  child.stdout.on('data', (chunk) => {
    stdout += String(chunk)
  })
  const exited = new Promise<number | null>((resolve) => child.once('close', (code) => resolve(code)))
  return { process: child, stderr: () => stderr, stdout: () => stdout, exited }
}

export async function startOrchestrator(
  folder: string,
  configuration: { listen: { local: string }; peering?: { listen: string }; decisionLog: string },
  env: Record<string, string> = {},
): Promise<TestOrchestrator> {
  const started = spawnOrchestrator(folder, configuration, { env })
  const portOf = (text: string): number => Number(text.slice(text.lastIndexOf(':') + 1))
  const ended = started.exited.then((code) => {
    throw new Error(`the orchestrator ended with ${code}: ${started.stderr()}`)
  })
  await Promise.race([
    until(() => started.stderr().includes('"started"'), 'the orchestrator to start', START_WITHIN_MS),
    ended,
  ])
  return {
    ...started,
    peering: portOf(configuration.peering?.listen ?? ''),
    local: portOf(configuration.listen.local),
    decisions: () => decisionsIn(configuration.decisionLog),
    async [Symbol.asyncDispose]() {
      started.process.kill('SIGTERM')
      const timer = setTimeout(() => started.process.kill('SIGKILL'), WITHIN_MS)
      await started.exited
      clearTimeout(timer)
    },
  }
}

export function decisionsIn(file: string): DecisionLine[] {
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as DecisionLine)
}
