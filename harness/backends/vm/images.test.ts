import { mkdtempSync } from 'node:fs'
import { chmod, lstat, open, rm, stat, symlink, writeFile } from 'node:fs/promises'
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

test.skipIf(missing)(
  `an image that others could read is kept from them, and one that they could write is made anew ${missing}`,
  async () => {
    const file = join(folder, 'file')
    await writeFile(file, 'content')
    const files = new Map([[file, { file }]])
    const image = await imageOf(files)
    // Held open, its number is given to no other.
    await using _held = await open(image)
    const changed = async () => {
      const { mode, ino } = await stat(image)
      return { mode: mode & 0o777, ino }
    }
    const first = await changed()

    await chmod(image, 0o644)
    expect(await imageOf(files)).toBe(image)
    expect(await changed()).toEqual(first)
    await chmod(image, 0o620)
    expect(await imageOf(files)).toBe(image)
    expect(await changed()).toMatchObject({
      mode: 0o600,
      ino: expect.not.toSatisfy((ino: number) => ino === first.ino),
    })
    await rm(image)
    await symlink(file, image)
    expect(await imageOf(files)).toBe(image)
    expect((await lstat(image)).isFile()).toBe(true)
  },
)
