import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { once } from 'node:events'
import { access, constants } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { killProcessesOf, type Label } from './labelled.ts'
import type { ExecResult } from './protocol.ts'

/** How a program ended. */
export type Exit = Pick<ExecResult, 'code' | 'signal'>

/** As the end of a sentence that begins with the program. */
export function howEnded({ code, signal }: Exit): string {
  return signal === null ? `exited with ${code}` : `was ended by ${signal}`
}

/** A program in a process group of its own, so that signals reach everything it started. */
export interface ProcessTree {
  readonly child: ChildProcess
  readonly pid: number
  /** Resolves once the main process has ended and its output was read. What it left in its group, or with its label, is killed. */
  readonly ended: Promise<Exit>
  running(): boolean
}

export interface TreeOptions extends SpawnOptions {
  label?: Label
}

const live = new Set<number>()

/** Kills everything that was started here and still runs: the last act of an agent. */
export function killAllTrees(): void {
  for (const leader of live) signalTree(leader, 'SIGKILL')
}

/** How long the output of a program is waited for that has ended: what it put into a session of its own may hold it for ever. */
const OUTPUT_WITHIN_MS = 1_000

/**
 * Starts a program as the leader of a new process group. Rejects when it cannot be executed.
 * `wrapper`: what to put before it (`RunSettings.dieWithParent`). `label`: of what ends with it, in whatever session it is.
 */
export async function startTree(
  wrapper: readonly string[],
  program: readonly string[],
  { label, ...options }: TreeOptions,
): Promise<ProcessTree> {
  // A wrapper would start, and only then find that there is no such program.
  if (wrapper.length > 0) await demandExecutable(program[0] as string, options.env?.PATH ?? '')
  const argv = [...wrapper, ...program]
  const child = spawn(argv[0] as string, argv.slice(1), { ...options, detached: true })
  const closed = new Promise((resolve) => child.once('close', resolve))
  const ended = new Promise<Exit>((resolve) => {
    child.once('exit', async (code, signal) => {
      live.delete(pid)
      signalTree(pid, 'SIGKILL')
      // What does not end now is told of when the run is released.
      if (label !== undefined) await killProcessesOf(label).catch(() => {})
      await Promise.race([closed, wait(OUTPUT_WITHIN_MS)])
      for (const stream of [child.stdout, child.stderr]) stream?.destroy()
      resolve({ code, signal })
    })
  })
  // What fails after its start (an abort, say) shows in how it ends.
  child.on('error', () => {})
  await once(child, 'spawn')
  const pid = child.pid as number
  live.add(pid)
  return { child, pid, ended, running: () => live.has(pid) }
}

async function demandExecutable(program: string, path: string): Promise<void> {
  const places = program.includes('/') ? [program] : path.split(delimiter).map((folder) => join(folder, program))
  const found = places.map((place) => access(place, constants.X_OK))
  await Promise.any(found).catch(() => {
    throw Object.assign(new Error(`${program} ENOENT: there is no such program`), { code: 'ENOENT' })
  })
}

/** Sends a signal to a whole process group; a group that is gone is no failure. */
export function signalTree(leader: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-leader, signal)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ESRCH') throw cause
  }
}

/** A signal to the main process, SIGKILL to the group after `withinMs`. A paused group is woken, or it could not obey. */
export async function stopTree(tree: ProcessTree, withinMs: number, signal: NodeJS.Signals = 'SIGTERM'): Promise<Exit> {
  if (tree.running()) {
    tree.child.kill(signal)
    signalTree(tree.pid, 'SIGCONT')
  }
  const timer = setTimeout(() => signalTree(tree.pid, 'SIGKILL'), withinMs)
  const exit = await tree.ended
  clearTimeout(timer)
  return exit
}

/** Calls `onLine` for each line of a stream. A line longer than 16 KiB is cut there. */
export function forEachLine(stream: NodeJS.ReadableStream | null, onLine: (line: string) => void): void {
  if (stream === null) return
  const longest = 16_384
  let rest = ''
  const give = (line: string) => onLine(line.length > longest ? `${line.slice(0, longest)}…` : line)
  stream.setEncoding('utf8')
  stream.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n')
    rest = (lines.pop() as string).slice(0, longest + 1)
    for (const line of lines) give(line)
  })
  stream.on('end', () => {
    if (rest !== '') give(rest)
  })
}
