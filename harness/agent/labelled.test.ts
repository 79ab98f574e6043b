import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { killProcessesOf, processesOf } from './labelled.ts'

// As programs do that write their titles over it.
const erase = `
import ctypes, sys, time
with open('/proc/self/stat') as stat: fields = stat.read().rsplit(')', 1)[1].split()
start, end = int(fields[47]), int(fields[48])
ctypes.memset(start, 0, end - start)
print('erased', flush=True)
time.sleep(600)`

test.runIf(process.platform === 'linux')(
  'a process that has written over its environment is known by the folder in which it works',
  async () => {
    const base = await mkdtemp(join(tmpdir(), 'holdfast-labelled-'))
    const run = 'lab-0a1b2c'
    const folder = join(base, run, 'nodes', 'db', 'units', 'serve', 'data')
    await mkdir(folder, { recursive: true })
    const child = spawn('python3', ['-c', erase], { cwd: folder, env: { PATH: process.env.PATH, HOLDFAST_RUN: run } })
    onTestFinished(async () => {
      child.kill('SIGKILL')
      await rm(base, { recursive: true, force: true })
    })
    await once(child.stdout, 'data')

    expect(await processesOf({ run })).toEqual([child.pid])
    expect(await processesOf({ run, unit: 'db/serve' })).toEqual([child.pid])
    expect(await processesOf({ run, unit: 'db/other' })).toEqual([])
    expect(await processesOf({ run: 'lab-0a1b2d' })).toEqual([])
    // A run is ended after its folder, too.
    await rm(base, { recursive: true })
    const ended = once(child, 'exit')
    expect(await killProcessesOf({ run })).toBe(1)
    expect((await ended)[1]).toBe('SIGKILL')
  },
)
