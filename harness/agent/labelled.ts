import { execFile } from 'node:child_process'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { UnitRef } from '../topology/plan.ts'

const run = promisify(execFile)

/** What programs of a run carry in their environment, into whatever group or session they go; `unit`: those of this unit alone. */
export interface Label {
  readonly run: string
  readonly unit?: UnitRef
}

function environmentOfLabel({ run, unit }: Label): Record<string, string> {
  return { HOLDFAST_RUN: run, ...(unit !== undefined && { HOLDFAST_UNIT: unit }) }
}

/** By process, each variable between two NULs. */
type Environments = ReadonlyMap<number, string>

let looking: Promise<Environments> = Promise.resolve(new Map())
let next: Promise<Environments> | undefined

/** Environments of this user's processes, as variables; who asks while somebody looks shares the next look. */
function environments(): Promise<Environments> {
  next ??= looking.then(() => {
    next = undefined
    looking = look()
    return looking
  })
  return next
}

async function look(): Promise<Environments> {
  if (process.platform === 'linux') {
    // At once: to read each in a thread costs five times as much, for nothing here waits for a disk.
    const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
    return new Map(pids.map((pid) => [Number(pid), `\0${environmentOf(pid)}\0`]))
  }
  const listed = await run('ps', ['eww', '-ax', '-o', 'pid=,command='], { maxBuffer: 64 * 1_048_576 }).catch(() => ({
    stdout: '',
  }))
  const lines = listed.stdout.split('\n').map((line) => line.trim().split(/\s+/))
  return new Map(lines.map(([pid, ...words]) => [Number(pid), `\0${words.join('\0')}\0`]))
}

/** Empty where it is not ours to read, or the process is gone. */
function environmentOf(pid: string): string {
  try {
    const text = readFileSync(`/proc/${pid}/environ`, 'utf8')
    return text === '' || text.includes('=') ? text : variables(labelByFolder(readlinkSync(`/proc/${pid}/cwd`)))
  } catch {
    return ''
  }
}

/** Some programs write their titles over their environment (PostgreSQL, sshd); where they work tells them, in the folder of a unit. */
function labelByFolder(folder: string): Label | undefined {
  const [, run, node, unit] = /\/([^/]+)\/nodes\/([^/]+)\/units\/([^/]+)(?:\/|$)/.exec(folder) ?? []
  return run === undefined ? undefined : { run, unit: `${node}/${unit}` }
}

function variables(label: Label | undefined): string {
  const all = Object.entries(label === undefined ? {} : environmentOfLabel(label))
  return all.map(([name, value]) => `${name}=${value}`).join('\0')
}

/** Processes of this user that carry a label. */
export async function processesOf(label: Label): Promise<number[]> {
  const marks = Object.entries(environmentOfLabel(label)).map(([name, value]) => `\0${name}=${value}\0`)
  return [...(await environments())].filter(([, its]) => marks.every((mark) => its.includes(mark))).map(([pid]) => pid)
}

/** A process that is gone is no failure. */
export function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ESRCH') throw cause
  }
}

/** Kills all processes that carry a label, and looks again until none is left: they may be starting others. Answers how many. */
export async function killProcessesOf(label: Label, withinMs = 5_000): Promise<number> {
  const killed = new Set<number>()
  const end = performance.now() + withinMs
  for (;;) {
    const pids = await processesOf(label)
    if (pids.length === 0) return killed.size
    if (performance.now() > end) throw new Error(`processes of run ${label.run} do not end: ${pids.join(', ')}`)
    for (const pid of pids) {
      killed.add(pid)
      signalProcess(pid, 'SIGKILL')
    }
    await wait(2)
  }
}
