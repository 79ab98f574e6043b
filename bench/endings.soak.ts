import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { endings } from './endings.ts'

// The kernel's tables of processes and sockets are read, which only Linux has in this form.
test.runIf(process.platform === 'linux')(
  '20 cycles of up and a random ending leave nothing, and nothing needs to be swept',
  async () => {
    process.env.HOLDFAST_RUNTIME_DIR = mkdtempSync(join(tmpdir(), 'holdfast-endings-runs-'))
    const seed = Date.now() % 1_000_000
    console.error(`seed ${seed}`)

    const hits = await endings({ cycles: 20, lanes: 2, seed, report: console.error })

    await rm(process.env.HOLDFAST_RUNTIME_DIR, { recursive: true, force: true })

    expect(Object.values(hits).reduce((sum, count) => sum + count)).toBe(20)
  },
  400_000,
)
