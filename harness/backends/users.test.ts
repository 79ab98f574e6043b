import { chmod, mkdir, mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { openToUsers } from './users.ts'

let above: string
let runs: string

afterEach(async () => {
  vi.unstubAllEnvs()
  await rm(above, { recursive: true, force: true })
})
beforeEach(async () => {
  above = await mkdtemp(join(tmpdir(), 'holdfast-users-'))
  runs = join(above, 'runs')
  vi.stubEnv('HOLDFAST_RUNTIME_DIR', runs)
  await mkdir(join(runs, 'run'), { recursive: true, mode: 0o700 })
})

const modeOf = async (...path: string[]) => ((await stat(join(runs, ...path))).mode & 0o777).toString(8)

test('opens nothing where users cannot come to the folder of runs anyhow', async () => {
  await chmod(runs, 0o700)

  await expect(openToUsers(join(runs, 'run'))).rejects.toMatchObject({ code: 'HOLDFAST_RUNTIME_DIR_CLOSED' })

  expect([await modeOf(), await modeOf('run')]).toEqual(['700', '700'])
})

test('lets users pass, and leaves a folder as it is that they can pass already', async () => {
  await chmod(above, 0o711)
  await chmod(runs, 0o751)

  await openToUsers(join(runs, 'run'))

  expect(await Promise.all([modeOf(), modeOf('run'), modeOf('run', 'nodes')])).toEqual(['751', '711', '711'])
})
