import { mkdtempSync } from 'node:fs'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Step } from '../topology/plan.ts'
import type { Backend, Capabilities } from './backend.ts'
import { oneshot, planOf } from './fixtures/plans.ts'
import { createRunFolder } from './run-folder.ts'
import { sweepRuns } from './sweep.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-sweep-'))
  vi.stubEnv('HOLDFAST_RUNTIME_DIR', join(folder, 'runs'))
})
afterEach(async () => {
  vi.unstubAllEnvs()
  await rm(folder, { recursive: true })
})

/** Sweeps a run that copied a file of this machine to another place, where one of the same content lies. What is there then. */
async function sweptOn(capabilities: Capabilities): Promise<string | undefined> {
  const [from, to] = [join(folder, 'from'), join(folder, 'to')]
  for (const path of [from, to]) await writeFile(path, 'the same')
  const copy: Step = { copy: { from, to: { path: to, mode: '0600' }, forRun: true } }
  const run = await createRunFolder({
    ...{ run: 'lab-00000a', topology: 'lab', backend: 'process', pid: 1, startTime: 'never' },
    evidence: join(folder, 'evidence'),
  })
  const settings = { dirs: { one: join(run, 'nodes/one') }, addresses: { one: { default: '127.0.0.1' } } }
  await writeFile(join(run, 'plan.json'), JSON.stringify(planOf({ one: [oneshot('copy', [], [copy])] })))
  await writeFile(join(run, 'settings.json'), JSON.stringify(settings))
  const ground = { capabilities, sweep: async () => 0, readLeft: async () => '' } as unknown as Backend
  await sweepRuns(() => ground)
  return readFile(to, 'utf8').catch(() => undefined)
}

test('what a run copied to a place of this machine is removed with what is left of it', async () => {
  expect(await sweptOn({})).toBeUndefined()
})

test.each([{ ownKernel: true }, { remoteHosts: true }])(
  'what lies here at the place to which a node copied its own is left alone: %o',
  async (capabilities) => {
    expect(await sweptOn(capabilities)).toBe('the same')
  },
)
