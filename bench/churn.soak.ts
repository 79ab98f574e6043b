import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { backend } from '../harness/shipped.ts'
import { churn } from './churn.ts'

// The kernel's tables of processes and sockets are read, which only Linux has in this form.
test.runIf(process.platform === 'linux').each([
  ['process', 20],
  ['netns', 20],
  ['vm', 100],
])(
  'cycles of up, kill -9 of a random part and sweep leave nothing: %s, %i',
  async (backendName, cycles) => {
    expect(await backend(backendName).unavailable()).toBeUndefined()
    process.env.HOLDFAST_RUNTIME_DIR = mkdtempSync(join(tmpdir(), 'holdfast-churn-runs-'))
    const seed = Date.now() % 1_000_000
    console.error(`seed ${seed}`)

    const hits = await churn({ cycles, seed, backendName })

    await rm(process.env.HOLDFAST_RUNTIME_DIR, { recursive: true, force: true })

    expect(Object.values(hits).reduce((sum, count) => sum + count)).toBe(cycles)
  },
  2_400_000,
)
