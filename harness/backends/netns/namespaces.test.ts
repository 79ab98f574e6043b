import { execFile } from 'node:child_process'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { processesOf } from '../../agent/labelled.ts'
import { idlePlan } from '../fixtures/plans.ts'
import { linksIn, networksIn } from './addresses.ts'
import { type Machine, machine } from './machine.ts'
import { makeNamespaces } from './namespaces.ts'

const found = machine()
const missing = typeof found === 'string' ? found : undefined
let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-namespaces-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

/** Makes those of two nodes with another `ip` than this machine's: a shell script that has its path as `$ip`. */
async function madeWith(ip: string, withinMs?: number) {
  const real = found as Machine
  const path = join(folder, 'ip')
  writeFileSync(path, `#!/bin/sh\nip=${real.ip}\n${ip}\n`, { mode: 0o755 })
  const plan = idlePlan('one', 'two')
  const networks = networksIn(plan)
  const run = basename(folder)
  const made = makeNamespaces(
    { ...real, ip: path },
    { run, folder, networks, links: linksIn(plan, networks), withinMs },
  )
  const failure = await made.then(
    (namespaces) => namespaces[Symbol.asyncDispose](),
    (cause: Error) => cause.message,
  )
  return { failure, left: await processesOf({ run }) }
}

test.skipIf(missing)(`what hangs while they are made is ended, and all of it ${missing ?? ''}`, async () => {
  const hangs = (file: string) => `case "$2" in ${file}) sleep 600 & wait;; *) exec "$ip" "$@";; esac`
  for (const file of ['switch', 'one.links', 'ports']) {
    const { failure, left } = await madeWith(hangs(file), 1_000)
    await rm(join(folder, 'netns'), { recursive: true })
    expect(failure).toContain('could not be made: nothing more within 1 s')
    expect(left).toEqual([])
  }
})

test.skipIf(missing)(`where one node's cannot be made, none is left of the others ${missing ?? ''}`, async () => {
  const { failure, left } = await madeWith('case "$2" in two.links) echo no >&2; exit 1;; *) exec "$ip" "$@";; esac')
  expect(failure).toMatch(/could not be made: no; /)
  expect(left).toEqual([])
})

test.skipIf(missing)(`nobody comes to a stranger who has the number of one that ended ${missing ?? ''}`, async () => {
  const { unshare, rootless } = found as Machine
  const user = rootless ? ['--user', '--map-root-user'] : []
  // The shell is there to take leave of those whose parent has ended.
  const apart = [...user, '--pid', '--kill-child', '--mount', '--mount-proc', '--', 'sh', '-c', '"$@"; exit $?', 'sh']
  const main = fileURLToPath(new URL('./fixtures/reused-pid.ts', import.meta.url))
  const node = [process.execPath, '--disable-warning=ExperimentalWarning', '--conditions=holdfast-source', main]
  const { stdout } = await promisify(execFile)(unshare, [...apart, ...node], { timeout: 60_000 })
  expect(JSON.parse(stdout)).toEqual({ isReused: true, seen: expect.stringMatching(/^ip failed .*cannot open/) })
})
