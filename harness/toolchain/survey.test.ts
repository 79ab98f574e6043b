import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { settings as readSettings, type Settings } from '../settings.ts'
import { lackingPrograms, type Surveyed, survey } from './survey.ts'

let folder: string
let settings: Settings

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'survey-'))
  const libfaketime = join(folder, 'libfaketimeMT.so.1')
  settings = { ...readSettings({}), cacheDir: join(folder, 'cache'), path: [join(folder, 'bin')], libfaketime }
  await mkdir(join(folder, 'bin'))
})

afterEach(() => rm(folder, { recursive: true, force: true }))

async function install(name: string, says: string): Promise<void> {
  const file = join(folder, 'bin', name)
  await writeFile(file, `#!/bin/sh\necho '${says}'\n`)
  await chmod(file, 0o755)
}

async function findings(): Promise<Map<string, Surveyed>> {
  return new Map((await survey(settings)).map((finding) => [finding.program, finding]))
}

test('on a machine with nothing, each program says what to type', async () => {
  const found = await findings()
  expect([...found.keys()]).toEqual([
    ...['node', 'step-ca', 'step', 'nats-server', 'nsc', 'nats', 'postgres'],
    ...['go', 'libfaketime', 'libnss_wrapper', 'nix', 'docker', 'qemu', 'git', 'openssl'],
    ...['haproxy', 'apache2', 'nginx', 'mod_oauth2', 'nginx-njs'],
  ])
  expect(found.get('node')).toMatchObject({ state: 'ok', needed: true, path: process.execPath })
  expect(found.get('step-ca')).toMatchObject({
    state: 'missing',
    needed: true,
    advice: 'install Go, then npx holdfast doctor --install; or nix shell nixpkgs#step-ca, or set HOLDFAST_STEP_CA',
  })
  // It was installed with Holdfast.
  expect(found.get('postgres')).toMatchObject({ state: 'ok', needed: false, wanted: '15.0', source: 'package' })
  const clocks = found.get('libfaketime')
  expect(clocks).toMatchObject({ state: 'missing', needed: false })
  if (process.platform === 'linux') expect(clocks?.advice).toContain('HOLDFAST_LIBFAKETIME names')
  for (const finding of found.values()) expect(finding.state === 'ok' || finding.advice !== undefined).toBe(true)
})

test('with a Go that is new enough, what is missing will be built', async () => {
  await install('go', 'go version go1.25.1 linux/amd64')
  const old = await findings()
  expect([old.get('go')?.state, old.get('step-ca')?.state]).toEqual(['unacceptable', 'missing'])

  await install('go', 'go version go1.27.0 linux/amd64')
  const found = await findings()
  expect([found.get('go')?.state, found.get('step-ca')?.state]).toEqual(['ok', 'to-build'])
  expect(found.get('step-ca')?.advice).toBe('built when first needed. To do it now: npx holdfast doctor --install')
})

test('what is too old is told with its version; what is good enough with its place', async () => {
  await install('step-ca', 'Smallstep CA/0.20.0 (linux/amd64)')
  await install('step', 'Smallstep CLI/0.30.9 (linux/amd64)')
  await install('nix', 'nix (Nix) 2.3.7')
  await install('git', 'git version 2.39.5')
  const found = await findings()
  expect(found.get('step-ca')).toMatchObject({ state: 'unacceptable', version: '0.20.0', wanted: '0.30' })
  expect(found.get('step')).toMatchObject({ state: 'ok', version: '0.30.9', source: 'path' })
  expect(found.get('nix')).toMatchObject({ state: 'unacceptable', version: '2.3.7', wanted: '2.8' })
  expect(found.get('git')).toMatchObject({ state: 'ok', version: '2.39.5', path: join(folder, 'bin', 'git') })
})

test('an explicit path that is wrong is told, not replaced by another program', async () => {
  await install('step', 'Smallstep CLI/0.30.9 (linux/amd64)')
  settings = { ...settings, tools: { step: join(folder, 'nowhere') } }
  expect((await findings()).get('step')).toMatchObject({
    state: 'unacceptable',
    problem: expect.stringContaining('HOLDFAST_STEP is'),
  })
})

test('a program that a scenario needs is told by name, with what to type; one that is too old as well', async () => {
  await install('haproxy', 'HAProxy version 2.4.1 2021/01/01')
  expect(await lackingPrograms(['haproxy'], settings)).toBe('haproxy is not usable: Debian: apt-get install haproxy')
  await install('haproxy', 'HAProxy version 2.6.12-1 2026/01/01')
  expect(await lackingPrograms(['haproxy'], settings)).toBeUndefined()
})
