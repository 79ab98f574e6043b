import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { findSetpriv } from './processes.ts'

test.runIf(process.platform === 'linux')('a setpriv that lacks the option, as that of BusyBox, is passed over', () => {
  const real = findSetpriv()
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-setpriv-'))
  onTestFinished(() => {
    vi.unstubAllEnvs()
    rmSync(folder, { recursive: true })
  })
  const other = join(folder, 'setpriv')
  vi.stubEnv('PATH', [folder, process.env.PATH].join(delimiter))

  writeFileSync(other, '#!/bin/sh\necho "unrecognized option" >&2; exit 1\n', { mode: 0o755 })
  expect(findSetpriv()).toBe(real)
  writeFileSync(other, '#!/bin/sh\nshift 3; exec "$@"\n', { mode: 0o755 })
  expect(findSetpriv()).toBe(other)
})
