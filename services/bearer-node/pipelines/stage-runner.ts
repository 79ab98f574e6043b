import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import type { Time, Timer } from '../cluster/time.ts'

/** One attempt of a stage. */
export interface StageRun {
  readonly run: string
  readonly stage: string
  readonly argv: readonly string[]
  readonly timeoutMs: number
  readonly params: Readonly<Record<string, unknown>>
  /** What the stages that it needs put out, by name. */
  readonly inputs: Readonly<Record<string, unknown>>
}

export type StageResult =
  | { readonly state: 'succeeded'; readonly output: unknown }
  | { readonly state: 'failed'; readonly reason: string }

export interface RunningStage {
  /** Never rejects. */
  readonly ended: Promise<StageResult>
  /** SIGTERM for all of its processes, and SIGKILL for those that are there 5 s later. */
  cancel(): void
  /** SIGKILL. */
  kill(): void
}

export interface StageRunner {
  start(stage: StageRun): RunningStage
}

export interface RunnerParts {
  /** Where stages get folders of their own. */
  readonly folder: string
  /** Of the environment of this node. */
  readonly path: string
  readonly time: Time
}

const LARGEST_OUTPUT = 64 * 1024
const KILLED_AFTER_MS = 5_000

/** Runs stages as programs: no shell, nothing of this node's environment, and a process group of their own. */
export function createStageRunner(parts: RunnerParts): StageRunner {
  return { start: (stage) => new StageProcess(parts, stage) }
}

type Child = ChildProcessByStdio<Writable, Readable, null>

class StageProcess implements RunningStage {
  readonly ended: Promise<StageResult>
  readonly #parts: RunnerParts
  #child: Child | undefined
  #hasExited = false
  /** Why it was made to end. */
  #why: string | undefined
  #timers: Timer[] = []

  constructor(parts: RunnerParts, stage: StageRun) {
    this.#parts = parts
    this.ended = this.#run(stage)
  }

  cancel(): void {
    this.#end('cancelled')
  }

  kill(): void {
    this.#why ??= 'killed'
    this.#signal('SIGKILL')
  }

  async #run(stage: StageRun): Promise<StageResult> {
    let folder: string | undefined
    try {
      mkdirSync(this.#parts.folder, { recursive: true, mode: 0o700 })
      // 0700, as mkdtemp makes all of them.
      folder = mkdtempSync(join(this.#parts.folder, 'stage-'))
      return await this.#runIn(folder, stage)
    } catch {
      return { state: 'failed', reason: 'not_started' }
    } finally {
      for (const timer of this.#timers) timer.close()
      if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
    }
  }

  async #runIn(folder: string, stage: StageRun): Promise<StageResult> {
    const [command = '', ...argv] = stage.argv
    const child = spawn(command, argv, {
      ...{ cwd: folder, env: environmentOf(stage, this.#parts.path), shell: false },
      // A group of its own: whatever it starts ends with it.
      detached: true,
      // What it says on stderr may hold parameters: nobody keeps it.
      stdio: ['pipe', 'pipe', 'ignore'],
    })
    this.#child = child
    const ended = endOf(child, () => this.#exited())
    // One that reads nothing closes its end.
    child.stdin.on('error', () => {})
    child.stdin.end(JSON.stringify(stage.inputs))
    this.#timers.push(this.#parts.time.after(stage.timeoutMs, () => this.#end('timeout')))
    const output = collect(child.stdout, () => this.#end('output_too_large'))
    const code = await ended
    if (this.#why !== undefined) return { state: 'failed', reason: this.#why }
    if (code !== 0) return { state: 'failed', reason: `exit_${code}` }
    return outputOf(output())
  }

  /** Those that it left behind go with it. */
  #exited(): void {
    this.#signal('SIGKILL')
    this.#hasExited = true
  }

  #end(why: string): void {
    if (this.#why !== undefined) return
    this.#why = why
    this.#signal('SIGTERM')
    this.#timers.push(this.#parts.time.after(KILLED_AFTER_MS, () => this.#signal('SIGKILL')))
  }

  #signal(signal: NodeJS.Signals): void {
    const pid = this.#child?.pid
    if (pid === undefined || this.#hasExited) return
    try {
      process.kill(-pid, signal)
    } catch (failure) {
      // None of the group is left.
      if ((failure as NodeJS.ErrnoException).code !== 'ESRCH') throw failure
    }
  }
}

/** Its exit code, or the signal that ended it, once its output has ended, too. Rejects where it could not be started. */
function endOf(child: Child, onExit: () => void): Promise<number | string> {
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', onExit)
    child.once('close', (code, signal) => resolve(code ?? String(signal).toLowerCase()))
  })
}

function environmentOf({ run, stage, params }: StageRun, path: string): Record<string, string> {
  const values = Object.entries(params).map(([name, value]) => [
    variableOf(name),
    typeof value === 'string' ? value : JSON.stringify(value),
  ])
  return { ...Object.fromEntries(values), PATH: path, HOLDFAST_RUN_ID: run, HOLDFAST_STAGE: stage }
}

/** `learningRate` and `learning-rate` are HOLDFAST_PARAM_LEARNINGRATE and HOLDFAST_PARAM_LEARNING_RATE. */
export function variableOf(name: string): string {
  return `HOLDFAST_PARAM_${name.toUpperCase().replaceAll(/[^A-Z0-9]/g, '_')}`
}

function collect(stdout: Readable, onTooLarge: () => void): () => Buffer {
  const chunks: Buffer[] = []
  let size = 0
  stdout.on('data', (chunk: Buffer) => {
    size += chunk.length
    if (size > LARGEST_OUTPUT) onTooLarge()
    else chunks.push(chunk)
  })
  return () => Buffer.concat(chunks)
}

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function outputOf(bytes: Buffer): StageResult {
  try {
    const output: unknown = JSON.parse(strictUtf8.decode(bytes))
    // As others will get it: numbers may have grown.
    if (Buffer.byteLength(JSON.stringify(output)) > LARGEST_OUTPUT)
      return { state: 'failed', reason: 'output_too_large' }
    return { state: 'succeeded', output }
  } catch {
    return { state: 'failed', reason: 'output_invalid' }
  }
}
