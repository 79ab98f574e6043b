import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { afterEach, expect, test } from 'vitest'
import { fillDisk } from './full-disk.ts'

const canBound = spawnSync('prlimit', ['--fsize=unlimited:', 'true']).status === 0
/** Linux takes the pid after this one next, for whom root says so. */
const LAST_PID = '/proc/sys/kernel/ns_last_pid'
const canChoosePid = process.getuid?.() === 0 && existsSync(LAST_PID)

const running: ChildProcess[] = []
afterEach(() => {
  for (const one of running.splice(0)) one.kill('SIGKILL')
})

function sleeping(): ChildProcess {
  const one = spawn('sleep', ['60'], { stdio: 'ignore' })
  running.push(one)
  return one
}
async function end(one: ChildProcess): Promise<void> {
  const ended = once(one, 'exit')
  one.kill('SIGKILL')
  await ended
}
const limitOf = ({ pid }: ChildProcess) =>
  execFileSync('prlimit', ['--pid', String(pid), '--fsize', '--output', 'SOFT', '--noheadings'], {
    encoding: 'utf8',
  }).trim()

/** A node whose one unit is this process. */
function siteOf({ pid }: ChildProcess) {
  const events = [{ event: 'unit-started', node: 'a', unit: 'u', pid }]
  const exec = async ([program, ...args]: string[]) => {
    const { status: code, stdout, stderr } = spawnSync(program!, args, { encoding: 'utf8' })
    return { code, stdout, stderr }
  }
  return { site: { events: () => events }, node: () => ({ exec }) } as unknown as Parameters<typeof fillDisk>[0]
}

test.runIf(canBound)('the disk of a process is full until it is taken back, and then not again', async () => {
  const unit = sleeping()
  const before = limitOf(unit)
  const free = await fillDisk(siteOf(unit), 'a', 'u', 1_000)
  expect(limitOf(unit)).toBe('1000')
  await free()
  expect(limitOf(unit)).toBe('unlimited')
  expect(before).toBe('unlimited')
  execFileSync('prlimit', ['--pid', String(unit.pid), '--fsize=2000:'])
  await free()
  expect(limitOf(unit)).toBe('2000')
})

test.runIf(canBound)('of a process that has ended there is nothing to take back', async () => {
  const unit = sleeping()
  const free = await fillDisk(siteOf(unit), 'a', 'u', 1_000)
  await end(unit)
  await free()
})

test.runIf(canBound && canChoosePid)('a process with the pid of one that has ended keeps what it has', async () => {
  for (let tries = 0; tries < 20; tries += 1) {
    const unit = sleeping()
    const free = await fillDisk(siteOf(unit), 'a', 'u', 1_000)
    await end(unit)
    writeFileSync(LAST_PID, String(unit.pid! - 1))
    const other = sleeping()
    // Somebody else on this machine was faster.
    if (other.pid !== unit.pid) continue
    execFileSync('prlimit', ['--pid', String(other.pid), '--fsize=2000:'])
    expect(readFileSync(`/proc/${other.pid}/comm`, 'utf8')).toBe('sleep\n')
    await free()
    expect(limitOf(other)).toBe('2000')
    return
  }
  throw new Error('no process came to have the pid of another one')
})
