import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
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

test('an unshare that leads nobody back to who he is makes no nodes, where it takes a user namespace', () => {
  const { unshare, nsenter, ip } = tryMachine() as Machine
  const real = { nsenter: `exec ${nsenter} "$@"`, ip: `exec ${ip} "$@"` }
  // Of root, too: it refuses what takes no user namespace.
  const asUsers = `[ "$1" = --user ] || { echo "unshare: not permitted" >&2; exit 1; }`
  const old = `case "$*" in *--map-user=*) echo "unshare: unrecognized option '--map-user'" >&2; exit 1;; esac`
  const machineOf = (...lines: string[]) => {
    rmSync(folder, { recursive: true })
    mkdirSync(folder)
    return machineWith({ ...real, unshare: [...lines, `exec ${unshare} "$@"`].join('\n') })
  }
  const control = machineOf(asUsers)
  // Where users may make none here, there is nothing to lead back from.
  if (typeof control === 'string') return void expect(control).toContain('may not make namespaces')

  expect(control.rootless).toBe(true)
  expect(machineOf(asUsers, old)).toMatch(/unshare: (not permitted|unrecognized option '--map-user')\)/)
})

test('a kernel without bridges is told so', () => {
  const ip = 'echo "Error: Unknown device type." >&2; exit 2'
  const real = tryMachine() as Machine
  expect(real).toHaveProperty('unshare')

  expect(machineWith({ unshare: `exec ${real.unshare} "$@"`, nsenter: '', ip })).toBe(
    'no bridge, link or mount in a namespace of this machine (Error: Unknown device type.); load the modules: modprobe bridge veth',
  )
})
