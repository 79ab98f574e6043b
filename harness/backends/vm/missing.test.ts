import { mkdtempSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, expect, test, vi } from 'vitest'
import { vmBackend } from './index.ts'

const folder = mkdtempSync(join(tmpdir(), 'holdfast-missing-'))
afterEach(() => vi.unstubAllEnvs())
afterAll(() => rm(folder, { recursive: true, force: true }))

/** Where machines cannot be at all, nothing else is told. */
const isHere = process.platform === 'linux' && process.arch === 'x64'
const here = isHere ? '' : '(needs Linux on x86-64)'

test.skipIf(!isHere)(
  `a QEMU that HOLDFAST_QEMU names, and that cannot be run, is lacking by that name ${here}`,
  async () => {
    const put = (name: string, mode: number) => {
      writeFileSync(join(folder, name), '#!/bin/sh\n', { mode })
      return join(folder, name)
    }
    vi.stubEnv('HOLDFAST_QEMU', put('qemu', 0o755))
    expect((await vmBackend.unavailable()) ?? '').not.toContain('QEMU')
    expect(vmBackend.remark?.()).toBeDefined()

    for (const named of ['/nope', put('plain', 0o644), folder]) {
      vi.stubEnv('HOLDFAST_QEMU', named)
      expect(await vmBackend.unavailable()).toContain(
        `HOLDFAST_QEMU is ${named}, which is no program that this user may run: unset HOLDFAST_QEMU, or set it to the path of a qemu-system-x86_64`,
      )
    }
  },
)
