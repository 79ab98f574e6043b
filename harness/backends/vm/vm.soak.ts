import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import { settings } from '../../settings.ts'
import { conformance } from '../conformance.ts'
import { ground } from './fixtures/ground.ts'

// A folder of runs of its own: sweeping here must not see the sites of other test files.
process.env.HOLDFAST_RUNTIME_DIR = mkdtempSync(join(tmpdir(), 'holdfast-runs-'))
afterAll(() => rm(settings().runtimeDir, { recursive: true, force: true }))

conformance(ground)
