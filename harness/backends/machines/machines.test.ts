import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import { settings } from '../../settings.ts'
import { conformance } from '../conformance.ts'
import { groundOn, machinesHere } from './fixtures/ground.ts'

// A folder of runs of its own: sweeping here must not see the sites of other test files.
process.env.HOLDFAST_RUNTIME_DIR = mkdtempSync(join(tmpdir(), 'hfr-'))
// What coordinators launch that are processes of their own.
const shared = await machinesHere(['one', 'two', 'ca', 'server', 'client', 'other'])
process.env.HOLDFAST_MACHINES = shared.file
const all = [shared]

afterAll(async () => {
  delete process.env.HOLDFAST_MACHINES
  await Promise.all(all.map((here) => here[Symbol.asyncDispose]()))
  await rm(settings().runtimeDir, { recursive: true, force: true })
})

conformance(groundOn(all))
