import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { findNssWrapper } from './nss-wrapper.ts'

test('a library that cannot be loaded, or does not do its work, is as good as none', () => {
  const folder = mkdtempSync(join(tmpdir(), 'nss-wrapper-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  writeFileSync(join(folder, 'libnss_wrapper.so'), 'no library')

  expect(findNssWrapper({}, [folder])).toBeUndefined()
  expect(findNssWrapper({ nssWrapper: join(folder, 'libnss_wrapper.so') })).toBeUndefined()
  expect(findNssWrapper({}, [join(folder, 'nowhere')])).toBeUndefined()
})
