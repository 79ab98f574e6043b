import { mkdtempSync, symlinkSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Machine, tryMachine } from './machine.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-netns-machine-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

/** As if the programs of this machine were those in a folder. */
const machineWith = (programs: Record<string, string>) => {
  for (const [name, text] of Object.entries(programs))
    writeFileSync(join(folder, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 })
  for (const name of ['sh', 'mount', 'true']) symlinkSync(`/bin/${name}`, join(folder, name))
  return tryMachine([folder])
}

test('a program that is missing is named, with the package that has it', () => {
  expect(machineWith({ unshare: '' })).toBe('nsenter, ip missing; Debian: apt-get install util-linux iproute2')
})

test('a system that refuses namespaces is told in its own words, with the way out', () => {
  const refused = {
    unshare: 'echo "unshare: unshare failed: Operation not permitted" >&2; exit 1',
    nsenter: '',
    ip: '',
  }

  expect(machineWith(refused)).toMatch(
    /^(this root|users) may not make namespaces.*\(unshare: unshare failed: Operation not permitted\)/,
  )
})

test('a kernel without bridges is told so', () => {
  const ip = 'echo "Error: Unknown device type." >&2; exit 2'
  const real = tryMachine() as Machine
  expect(real).toHaveProperty('unshare')

  expect(machineWith({ unshare: `exec ${real.unshare} "$@"`, nsenter: '', ip })).toBe(
    'no bridge, link or mount in a namespace of this machine (Error: Unknown device type.); load the modules: modprobe bridge veth',
  )
})
