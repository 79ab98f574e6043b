import { execFile, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { settings } from '../settings.ts'
import { triedOnce } from '../toolchain/tried.ts'

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

/** Path of the program of Linux that starts others with a parent to die with, and as another user; undefined where there is none. */
export function findSetpriv(): string | undefined {
  if (process.platform !== 'linux') return undefined
  return settings()
    .path.map((folder) => join(folder, 'setpriv'))
    .find((program) => existsSync(program) && isSetpriv(program))
}

/** Program and arguments to put before a command so that it dies with its parent; none where the system has nothing for that. */
export function dieWithParent(): string[] {
  const setpriv = findSetpriv()
  return setpriv === undefined ? [] : [setpriv, '--pdeathsig', 'KILL', '--']
}

/**
 * Program and arguments to put before a command so that its shared memory of System V, which nothing but a namespace ends with its processes,
 * is gone with it; undefined where this user can have none.
 */
export function ownIpc(): string[] | undefined {
  if (process.platform !== 'linux') return undefined
  return settings()
    .path.map((folder) => join(folder, 'unshare'))
    .filter((program) => existsSync(program) && canUnshareIpc(program))
    .map((program) => unsharingIpc(program))[0]
}

function unsharingIpc(program: string): string[] {
  const asItself = [`--map-user=${process.getuid?.()}`, `--map-group=${process.getgid?.()}`]
  return [program, ...(process.getuid?.() === 0 ? [] : ['--user', ...asItself]), '--ipc', '--']
}

const canUnshareIpc = triedOnce('unshare --ipc', (path) => {
  const [program = '', ...argv] = unsharingIpc(path)
  return spawnSync(program, [...argv, 'true'], { stdio: 'ignore', timeout: 5_000 }).status === 0
})

/** That of BusyBox has the name, and not the option. */
const isSetpriv = triedOnce('setpriv', (program) => {
  return spawnSync(program, ['--pdeathsig', 'KILL', '--', 'true'], { stdio: 'ignore', timeout: 5_000 }).status === 0
})
