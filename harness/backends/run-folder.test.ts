import { mkdirSync, mkdtempSync, utimesSync } from 'node:fs'
import { access, chmod, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { settings } from '../settings.ts'
import { backend } from '../shipped.ts'
import { startTime } from './processes.ts'
import { createRunFolder, findRuns, newLabel, type RunRecord } from './run-folder.ts'
import { sweepRuns } from './sweep.ts'

afterEach(() => rm(settings().runtimeDir, { recursive: true, force: true }))
beforeEach(() => {
  process.env.HOLDFAST_RUNTIME_DIR = mkdtempSync(join(tmpdir(), 'holdfast-runs-'))
})

async function record(change: Partial<RunRecord> = {}): Promise<RunRecord> {
  const started = (await startTime(process.pid)) as string
  const evidence = join(settings().runtimeDir, 'no-evidence')
  const run = newLabel('lab')
  return {
    run,
    topology: 'lab',
    backend: 'process',
    pid: process.pid,
    startTime: started,
    subnet: '127.9.9.',
    evidence,
    ...change,
  }
}

test('a label has the letters of a label, whatever the topology is called', () => {
  expect(newLabel('My Lab_1')).toMatch(/^my-lab-1-[0-9a-f]{6}$/)
})

test('no run is put where others could exchange its keys', async () => {
  await chmod(settings().runtimeDir, 0o777)
  await expect(createRunFolder(await record())).rejects.toMatchObject({ code: 'HOLDFAST_RUNTIME_DIR' })
  await chmod(settings().runtimeDir, 0o755)
  const mine = await record()
  expect(await createRunFolder(mine)).toContain(mine.run)
})

test('no run is put where a link leads, though to a folder of ours', async () => {
  const mine = settings().runtimeDir
  process.env.HOLDFAST_RUNTIME_DIR = `${join(mine, 'link')}/`
  await symlink('.', join(mine, 'link'))

  await expect(createRunFolder(await record())).rejects.toMatchObject({ code: 'HOLDFAST_RUNTIME_DIR' })

  expect(await readdir(mine)).toEqual(['link'])
  process.env.HOLDFAST_RUNTIME_DIR = mine
})

test('a folder that cannot be used names itself and the way out, to whoever starts a run and to whoever looks for some', async () => {
  const mine = settings().runtimeDir
  process.env.HOLDFAST_RUNTIME_DIR = join(mine, 'a file')
  await writeFile(join(mine, 'a file'), '')
  const why = (code: string, path = 'a file') => ({
    code: 'HOLDFAST_RUNTIME_DIR',
    message: `${join(mine, path)} cannot be used (${code}); set HOLDFAST_RUNTIME_DIR to a folder of yours`,
  })

  await expect(createRunFolder(await record())).rejects.toMatchObject(why('EEXIST'))
  await expect(findRuns()).rejects.toMatchObject(why('ENOTDIR'))
  process.env.HOLDFAST_RUNTIME_DIR = join(mine, 'a file', 'below')
  await expect(createRunFolder(await record())).rejects.toMatchObject(why('ENOTDIR', 'a file/below'))
  process.env.HOLDFAST_RUNTIME_DIR = mine
  expect(await findRuns()).toEqual([])
})

test('a run of a live process is alive; one whose process number was given to another is not', async () => {
  const mine = await record()
  const reused = await record({ startTime: 'another boot:1' })
  const folder = await createRunFolder(mine)
  await createRunFolder(reused)

  const runs = new Map((await findRuns()).map((run) => [run.record?.run, run.alive]))

  expect(runs).toEqual(
    new Map([
      [mine.run, true],
      [reused.run, false],
    ]),
  )
  expect((await stat(folder)).mode & 0o777).toBe(0o700)
  expect((await stat(join(folder, 'run.json'))).mode & 0o777).toBe(0o600)
})

test('sweep removes dead runs, and leaves live ones, folders in the making, and what is not ours', async () => {
  const { runtimeDir } = settings()
  const [live, dead] = [await record(), await record({ startTime: 'another boot:1' })]
  await createRunFolder(live)
  await createRunFolder(dead)
  const [making, orphan] = [`.new-lab-000002.${process.pid}`, '.new-lab-000003.4194305']
  for (const name of ['.new-lab-000001', '.new-lab-000004', making, orphan, 'somebody-elses'])
    mkdirSync(join(runtimeDir, name))
  utimesSync(join(runtimeDir, '.new-lab-000001'), 0, 0)
  // Made before the clock was set back.
  const ahead = Date.now() / 1000 + 3_600
  utimesSync(join(runtimeDir, '.new-lab-000004'), ahead, ahead)
  await writeFile(join(runtimeDir, 'up-1.log'), '')

  const { swept, alive } = await sweepRuns(backend)

  expect(swept.map(({ run }) => run).sort()).toEqual([dead.run, 'unknown', 'unknown', 'unknown'].sort())
  expect(alive).toEqual([live.run])
  for (const kept of [live.run, making, 'somebody-elses', 'up-1.log']) await access(join(runtimeDir, kept))
  for (const gone of [dead.run, '.new-lab-000001', '.new-lab-000004', orphan]) {
    await expect(access(join(runtimeDir, gone))).rejects.toThrow('ENOENT')
  }
})
