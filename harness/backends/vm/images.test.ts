import { mkdtempSync } from 'node:fs'
import { rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { imageOf } from './images.ts'
import { findProgram } from './programs.ts'

const folder = mkdtempSync(join(tmpdir(), 'holdfast-images-'))
beforeAll(() => void vi.stubEnv('HOLDFAST_CACHE_DIR', join(folder, 'cache')))
afterAll(async () => {
  vi.unstubAllEnvs()
  await rm(folder, { recursive: true, force: true })
})

const missing = findProgram('mke2fs') === undefined ? '(needs mke2fs)' : ''

test.skipIf(missing)(`an image is read by nobody but its owner, whose own files may be in it ${missing}`, async () => {
  const file = join(folder, '.env')
  await writeFile(file, 'a secret', { mode: 0o600 })
  const image = await imageOf(new Map([[file, { file }]]))

  expect((await stat(image)).mode & 0o777).toBe(0o600)
})
