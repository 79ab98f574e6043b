import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { promisify } from 'node:util'
import { settings } from '../settings.ts'

const run = promisify(execFile)

/**
 * When a process was started, in a form that tells it from a later one with the same number; undefined when there is none.
 * Linux: boot id and start in clock ticks. Elsewhere: what `ps` says, in seconds.
 */
export async function startTime(pid: number): Promise<string | undefined> {
  if (process.platform === 'linux') {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined)
    if (stat === undefined) return undefined
    // The name, in parentheses, may hold spaces; the state follows it, and the start is field 22.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    if (fields[0] === 'Z') return undefined
    return `${(await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim()}:${fields[19]}`
  }
  const listed = await run('ps', ['-o', 'lstart=', '-p', String(pid)]).catch(() => undefined)
  return listed?.stdout.trim() || undefined
}

/** Processes of this user that carry the label of a run in their environment. */
export async function processesOf(label: string): Promise<number[]> {
  const mark = `HOLDFAST_RUN=${label}`
  if (process.platform === 'linux') {
    const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
    const carries = async (pid: string) => {
      const environment = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '')
      return environment.split('\0').includes(mark)
    }
    const carrying = await Promise.all(pids.map(carries))
    return pids.filter((_, index) => carrying[index]).map(Number)
  }
  const { stdout } = await run('ps', ['eww', '-ax', '-o', 'pid=,command='], { maxBuffer: 64 * 1_048_576 })
  return stdout.split('\n').flatMap((line) => {
    const words = line.trim().split(/\s+/)
    return words.includes(mark) ? [Number(words[0])] : []
  })
}

/** A process that is gone is no failure. */
export function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ESRCH') throw cause
  }
}

/** Kills all processes of a run, and looks again until none is left: they may be starting others. */
export async function killProcessesOf(label: string, withinMs = 5_000): Promise<number> {
  const killed = new Set<number>()
  const end = performance.now() + withinMs
  for (;;) {
    const pids = await processesOf(label)
    if (pids.length === 0) return killed.size
    if (performance.now() > end) throw new Error(`processes of run ${label} do not end: ${pids.join(', ')}`)
    for (const pid of pids) {
      killed.add(pid)
      signalProcess(pid, 'SIGKILL')
    }
    await wait(2)
  }
}

/** Path of the program of Linux that starts others with a parent to die with, and as another user; undefined where there is none. */
export function findSetpriv(): string | undefined {
  if (process.platform !== 'linux') return undefined
  return settings()
    .path.map((folder) => join(folder, 'setpriv'))
    .find((program) => existsSync(program))
}
