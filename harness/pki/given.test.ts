import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test, vi } from 'vitest'
import { rogueAuthority } from './authority.ts'
import { rootsAt } from './given.ts'

afterEach(() => vi.unstubAllEnvs())

test('what this machine trusts is looked up anew for each bundle that the environment names', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-roots-'))
  const found = async (bundle: string) => {
    vi.stubEnv('SSL_CERT_FILE', bundle)
    return rootsAt('system')
  }
  try {
    for (const name of ['one', 'other']) {
      const { anchorPem } = await rogueAuthority(name)
      await writeFile(join(folder, name), anchorPem)
      expect(await found(join(folder, name))).toContain(anchorPem)
    }
  } finally {
    await rm(folder, { recursive: true })
  }
})
