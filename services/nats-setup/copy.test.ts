import { createHash } from 'node:crypto'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readCreds } from '../shared/nats/creds-text.ts'
import { type Manifest, manifestSchema } from '../shared/nats/manifest.ts'
import { boundFiles, canBoundFiles } from '../shared/testing/full-disk.ts'
import type { Configuration } from './config.ts'
import { copyAll } from './copy.ts'
import { identityOf } from './identities.ts'
import { type TestSetup, testSetup } from './testing/setup.ts'

let made: TestSetup
beforeAll(async () => {
  made = await testSetup()
})
afterAll(() => made[Symbol.dispose]())

interface Ground {
  readonly configuration: Configuration
  readonly orchestrator: string
  readonly host: string
}

/** A copy of the setup, with two receivers. */
function ground(changes: { group?: string; owner?: string } = {}): Ground {
  const configuration = made.copy()
  const orchestrator = join(configuration.stateDir, '../handover/orchestrator')
  const host = join(configuration.stateDir, '../handover/host')
  const handovers = [
    { dir: orchestrator, users: ['admin_user', 'orchestrator_user'] as const, ...changes },
    { dir: host, users: ['auth_guard'] as const, ...changes },
  ]
  return { configuration: { ...configuration, handovers } as unknown as Configuration, orchestrator, host }
}

function manifestIn(folder: string): Manifest {
  return manifestSchema.parse(JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')))
}

const modeOf = (path: string) => (statSync(path).mode & 0o7777).toString(8)

test('a disk that is full leaves the set before as it was, and says so', async ({ skip }) => {
  skip(!canBoundFiles, 'no prlimit here')
  const { configuration, orchestrator } = ground()
  await copyAll(configuration)
  const sizes = ['admin_user.creds', 'orchestrator_auth.creds'].map((name) => statSync(join(orchestrator, name)).size)
  const before = readFileSync(join(orchestrator, 'manifest.json'), 'utf8')
  // Of another time, so that all is written anew.
  writeFileSync(join(orchestrator, 'manifest.json'), before.replace(/"issuedAt": "2/, '"issuedAt": "3'))
  const [first = '', second = ''] = ['admin_user.creds', 'orchestrator_auth.creds'].map((name) =>
    inodeOf(join(orchestrator, name)),
  )

  boundFiles(process.pid, Math.max(...sizes) - 1)
  const failed = copyAll(configuration).finally(() => boundFiles(process.pid, undefined))

  await expect(failed).rejects.toMatchObject({
    code: 'handover_failed',
    message: expect.stringMatching(
      /orchestrator cannot be written \(.*EFBIG.*\); free some space; the set before is still whole$/,
    ),
  })
  expect(readdirSync(orchestrator).sort()).toEqual(['admin_user.creds', 'manifest.json', 'orchestrator_auth.creds'])
  expect(['admin_user.creds', 'orchestrator_auth.creds'].map((name) => inodeOf(join(orchestrator, name)))).toEqual([
    first,
    second,
  ])
  await copyAll(configuration)
  expect(readFileSync(join(orchestrator, 'manifest.json'), 'utf8')).toBe(before)
})

const inodeOf = (path: string) => `${statSync(path).ino}`

test('each receiver gets its files and a manifest that tells what they are', async () => {
  const { configuration, orchestrator, host } = ground()
  const { record } = made.setUp

  expect(await copyAll(configuration)).toEqual([
    { dir: orchestrator, generation: 1, changed: true },
    { dir: host, generation: 1, changed: true },
  ])
  expect(readdirSync(orchestrator).sort()).toEqual(['admin_user.creds', 'manifest.json', 'orchestrator_auth.creds'])
  expect(readdirSync(host).sort()).toEqual(['auth_guard.creds', 'manifest.json'])
  const { key, account, signer, expiresAt } = record.users.orchestrator_user
  const bytes = readFileSync(join(configuration.stateDir, 'shared-creds/orchestrator_auth.creds'))
  expect(readFileSync(join(orchestrator, 'orchestrator_auth.creds'))).toEqual(bytes)
  const manifest = manifestIn(orchestrator)
  expect(manifest).toMatchObject({
    version: 2,
    generation: 1,
    operator: record.operator.key,
    issuedAt: record.issuedAt,
  })
  expect(manifest.files[1]).toEqual({
    name: 'orchestrator_auth.creds',
    sha256: createHash('sha256').update(bytes).digest('hex'),
    size: bytes.length,
    user: { name: 'orchestrator_user', key, account, signer, role: 'orchestrator_role' },
    expiresAt,
  })
  expect(readCreds(bytes.toString())?.claims.iss).toBe(signer)
  expect(manifestIn(host).files[0]?.user).toMatchObject({ name: 'auth_guard', role: null })
})

test('without a group nobody but the owner reads', async () => {
  const { configuration, host } = ground()
  await copyAll(configuration)

  expect(modeOf(host)).toBe('700')
  expect(readdirSync(host).map((name) => modeOf(join(host, name)))).toEqual(['600', '600'])
})

const isRoot = process.getuid?.() === 0
test.runIf(isRoot)('with a group its members read, and nobody writes', async () => {
  const { configuration, host } = ground({ group: 'nogroup', owner: 'nobody' })
  await copyAll(configuration)

  const owner = { uid: await identityOf('user', 'nobody'), gid: await identityOf('group', 'nogroup') }
  expect(statSync(host)).toMatchObject(owner)
  expect(modeOf(host)).toBe('2750')
  for (const name of readdirSync(host)) {
    expect(statSync(join(host, name)), name).toMatchObject(owner)
    expect(modeOf(join(host, name)), name).toBe('640')
  }
})

test('a set that is there is left alone, so that nobody is told of it again', async () => {
  const { configuration, host } = ground()
  await copyAll(configuration)
  const before = readdirSync(host).map((name) => statSync(join(host, name)).ino)

  expect((await copyAll(configuration)).map(({ changed }) => changed)).toEqual([false, false])
  expect(readdirSync(host).map((name) => statSync(join(host, name)).ino)).toEqual(before)
})

test.each<[string, (folder: string) => void]>([
  ['a file is gone', (folder) => rmSync(join(folder, 'auth_guard.creds'))],
  ['the manifest is gone', (folder) => rmSync(join(folder, 'manifest.json'))],
  ['the manifest was cut short', (folder) => writeFileSync(join(folder, 'manifest.json'), '{"version":1')],
  ['others may read a file', (folder) => chmodSync(join(folder, 'auth_guard.creds'), 0o644)],
  ['somebody was stopped writing', (folder) => writeFileSync(join(folder, '.tmp-1'), 'SUAH3SDLE')],
])('where %s, the next run makes the set whole', async (_, spoil) => {
  const { configuration, host } = ground()
  await copyAll(configuration)
  const before = manifestIn(host)
  spoil(host)

  await copyAll(configuration)
  expect(manifestIn(host)).toEqual(before)
  expect(readdirSync(host).sort()).toEqual(['auth_guard.creds', 'manifest.json'])
  expect(modeOf(join(host, 'auth_guard.creds'))).toBe('600')
})

describe('nothing is handed over beside what must not leave the host', () => {
  const stateOf = (folder: string) => join(folder, '../../state')
  test.each<[string, (folder: string) => void, RegExp]>([
    [
      'an operator JWT',
      (folder) => copyFileSync(join(stateOf(folder), 'HOLO.jwt'), join(folder, 'HOLO.jwt')),
      /HOLO\.jwt holds a JWT that is no user's \(operator\)/,
    ],
    [
      'an account JWT',
      (folder) => copyFileSync(join(stateOf(folder), 'SYS.jwt'), join(folder, 'SYS.jwt')),
      /SYS\.jwt holds a JWT that is no user's \(account\)/,
    ],
    [
      'the seed of an account',
      (folder) => copyFileSync(join(stateOf(folder), 'local-keys/response.nk'), join(folder, 'response.nk')),
      /response\.nk holds a seed that is no user's \(SA…\)/,
    ],
    [
      'the seed of a curve',
      (folder) => copyFileSync(join(stateOf(folder), 'local-keys/curve.nk'), join(folder, 'notes')),
      /notes holds a seed that is no user's \(SX…\)/,
    ],
    [
      'a folder named as what is being written',
      (folder) => mkdirSync(join(folder, '.tmp-keys')),
      /\.tmp-keys is a folder/,
    ],
    ['a tree of keys', (folder) => mkdirSync(join(folder, 'keys')), /keys is a folder/],
    [
      'credentials of somebody else',
      (folder) => copyFileSync(join(stateOf(folder), 'push-creds/sys.creds'), join(folder, 'sys.creds')),
      /sys\.creds is none of the files/,
    ],
    [
      'a link',
      (folder) => symlinkSync('/etc/hostname', join(folder, 'auth_guard.creds')),
      /auth_guard\.creds is no plain file/,
    ],
    ['a file with a second name', (folder) => linkedElsewhere(folder), /auth_guard\.creds has 2 names/],
  ])('%s', async (_, plant, message) => {
    const { configuration, host } = ground()
    mkdirSync(host, { recursive: true })
    plant(host)

    await expect(copyAll(configuration)).rejects.toMatchObject({
      code: 'handover_unclean',
      message: expect.stringMatching(message),
    })
    expect(existsSync(join(host, 'manifest.json'))).toBe(false)
  })

  function linkedElsewhere(folder: string): void {
    copyFileSync(join(stateOf(folder), 'shared-creds/auth_guard.creds'), join(folder, 'auth_guard.creds'))
    linkSync(join(folder, 'auth_guard.creds'), join(folder, '../second'))
  }

  test('in the very file that would be copied', async () => {
    const { configuration, host } = ground()
    const source = join(configuration.stateDir, 'shared-creds/auth_guard.creds')
    const seed = readFileSync(join(configuration.stateDir, 'local-keys/response.nk'), 'utf8')
    writeFileSync(source, `${readFileSync(source, 'utf8')}${seed}`)

    await expect(copyAll(configuration)).rejects.toThrow(/auth_guard\.creds holds a seed that is no user's/)
    expect(existsSync(join(host, 'auth_guard.creds'))).toBe(false)
  })
})

test('what is wrong with one folder keeps nothing from the others', async () => {
  const { configuration, orchestrator, host } = ground()
  mkdirSync(join(orchestrator, 'keys'), { recursive: true })

  await expect(copyAll(configuration)).rejects.toMatchObject({ code: 'handover_unclean' })
  expect(existsSync(join(orchestrator, 'manifest.json'))).toBe(false)
  expect(manifestIn(host).generation).toBe(1)
})

test('without a setup nothing is handed over', async () => {
  const { configuration, host } = ground()
  rmSync(join(configuration.stateDir, 'setup.json'))

  await expect(copyAll(configuration)).rejects.toMatchObject({ code: 'setup_missing' })
  expect(existsSync(host)).toBe(false)
})

test('a group that this host does not have is told by name', async () => {
  const { configuration } = ground({ group: 'no-such-group' })

  await expect(copyAll(configuration)).rejects.toThrow('is for the group no-such-group, whom this host does not have')
})
