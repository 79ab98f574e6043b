import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createRunFolder } from '../backends/run-folder.ts'
import { settings } from '../settings.ts'
import { program } from './commands.ts'

const written: string[] = []

afterEach(() => rm(settings().runtimeDir, { recursive: true, force: true }))
beforeEach(() => {
  process.env.HOLDFAST_RUNTIME_DIR = mkdtempSync(join(tmpdir(), 'holdfast-runs-'))
  written.length = 0
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => written.push(String(text)) > 0)
})

test('says that there is nothing to sweep', async () => {
  await program('').parseAsync(['sweep'], { from: 'user' })

  expect(written.join('')).toBe('nothing to sweep\n')
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

  expect(JSON.parse(written.join(''))).toEqual({ swept: [{ run: run.run, processes: 0, folder, evidence }], alive: [] })
})
