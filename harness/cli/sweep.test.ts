import { existsSync, mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { createRunFolder } from '../backends/run-folder.ts'
import { settings } from '../settings.ts'
import { program } from './commands.ts'

const written: string[] = []

afterEach(() => vi.unstubAllEnvs())
afterEach(() => rm(settings().runtimeDir, { recursive: true, force: true }))
beforeEach(() => {
  process.env.HOLDFAST_RUNTIME_DIR = mkdtempSync(join(tmpdir(), 'holdfast-runs-'))
  written.length = 0
  vi.stubEnv('HOLDFAST_MACHINES', undefined)
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => written.push(String(text)) > 0)
})

test('says that there is nothing to sweep', async () => {
  await program('').parseAsync(['sweep'], { from: 'user' })

  expect(written.join('')).toBe('nothing to sweep\n')
})

test('what is on machines that nobody names is not swept, is told with what to type, and keeps no other run from it', async () => {
  const notes = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  const dead = { topology: 'lab', pid: 1, startTime: 'never', evidence: join(settings().runtimeDir, 'none') }
  const left = await createRunFolder({ ...dead, run: 'lab-00000b', backend: 'machines' })
  await createRunFolder({ ...dead, run: 'lab-00000c', backend: 'process' })
  onTestFinished(() => {
    process.exitCode = undefined
  })

  await program('').parseAsync(['sweep'], { from: 'user' })

  expect(written.join('')).toMatch(/^SWEPT .*\nlab-00000c /)
  expect(written.join('')).not.toContain('lab-00000b')
  expect(notes.mock.calls.join('')).toContain(
    'not swept: lab-00000b: what lab-00000b left on machines cannot be looked for; name the file of the machines in HOLDFAST_MACHINES',
  )
  expect(process.exitCode).toBe(1)
  expect(existsSync(left)).toBe(true)
})

test('tells as JSON which runs it swept', async () => {
  const evidence = join(settings().runtimeDir, 'no-evidence')
  const run = {
    run: 'lab-00000a',
    topology: 'lab',
    backend: 'process',
    pid: 1,
    startTime: 'never',
    subnet: '127.9.9.',
    evidence,
  }
  const folder = await createRunFolder(run)

  await program('').parseAsync(['sweep', '--json'], { from: 'user' })

  expect(JSON.parse(written.join(''))).toEqual({
    swept: [{ run: run.run, processes: 0, folder, evidence }],
    alive: [],
    left: [],
  })
})
