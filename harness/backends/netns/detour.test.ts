import { mkdtempSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { relayMissing } from './detour.ts'
import { machine } from './machine.ts'

const found = machine()
const perl = typeof found === 'string' ? undefined : found.perl
const missing = perl === undefined ? 'perl, or namespaces, are missing here' : undefined

test('a relay takes perl, which is named with its package', () => {
  expect(relayMissing({ perl: undefined })).toBe('perl is missing; Debian: apt-get install perl')
})

test.skipIf(missing)(`one that has but some of its modules is no perl for it ${missing ?? ''}`, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-perl-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const bare = join(folder, 'perl')
  // As the package perl-base of Debian.
  const without = 'unshift @INC, sub { die "no $_[1]" if $_[1] eq "Time/HiRes.pm"; return }'
  writeFileSync(join(folder, 'Bare.pm'), `package Bare; BEGIN { ${without} } 1`)
  writeFileSync(bare, `#!/bin/sh\nexec ${perl} -I${folder} -MBare "$@"\n`, { mode: 0o755 })

  expect(relayMissing({ perl })).toBeUndefined()
  expect(relayMissing({ perl: bare })).toBe(
    `${bare} cannot load Socket, IO::Select, POSIX and Time::HiRes; Debian: apt-get install perl`,
  )
})
