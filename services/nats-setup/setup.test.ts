import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { decode, type User } from '@nats-io/jwt'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readCreds } from '../shared/nats/creds-text.ts'
import { ROLES } from '../shared/nats/roles.ts'
import { accountClaims, signingKeys } from './claims.ts'
import type { Configuration } from './config.ts'
import { nscOf, readRecord, setUp } from './setup.ts'
import { failingNsc, type TestSetup, testSetup } from './testing/setup.ts'

let made: TestSetup
beforeAll(async () => {
  made = await testSetup()
})
afterAll(() => made[Symbol.dispose]())

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
}

const OUTPUTS = [
  'HOLO.jwt',
  'SYS.jwt',
  'local-keys/callout_user.creds',
  'local-keys/curve.nk',
  'local-keys/host_role.nk',
  'local-keys/response.nk',
  'local-keys/sys_kick.creds',
  'lock.sqlite',
  'main-resolver.conf',
  'push-creds/sys.creds',
  'setup.json',
  'shared-creds/admin_user.creds',
  'shared-creds/auth_guard.creds',
  'shared-creds/orchestrator_auth.creds',
]

test('makes every output, and of all that nobody else can read more than the record', () => {
  const { stateDir } = made.configuration
  const files = filesBelow(stateDir)

  const outputs = files.map((path) => path.slice(stateDir.length + 1)).filter((name) => !name.startsWith('nsc/'))
  expect(outputs.sort()).toEqual(OUTPUTS)
  expect(files.filter((path) => (statSync(path).mode & 0o077) !== 0)).toEqual([join(stateDir, 'setup.json')])
  expect(made.setUp).toMatchObject({ made: true, record: { version: 2, generation: 1, operator: { name: 'HOLO' } } })
})

test('the record holds public keys alone: no seed and no JWT', () => {
  const text = readFileSync(join(made.configuration.stateDir, 'setup.json'), 'utf8')
  const keys = text.match(/\b[A-Z2-7]{40,}\b/g) ?? []

  expect(keys.length).toBeGreaterThan(10)
  expect(keys.filter((key) => !/^[OAUX][A-Z2-7]{55}$/.test(key))).toEqual([])
  expect(text).not.toContain('eyJ')
})

test.runIf(process.getuid?.() === 0)('another user reads the record, as systemd makes its folder, and no key', () => {
  const { stateDir } = made.configuration
  // `StateDirectoryMode=` of the unit, and what is above it.
  for (const folder of [stateDir, join(stateDir, '..'), join(stateDir, '../..')]) chmodSync(folder, 0o711)
  const asNobody = ['--reuid=nobody', '--clear-groups', 'cat']
  const read = (file: string) => spawnSync('setpriv', [...asNobody, join(stateDir, file)], { encoding: 'utf8' })

  expect(JSON.parse(read('setup.json').stdout)).toEqual(made.setUp.record)
  for (const file of OUTPUTS.filter((name) => name !== 'setup.json'))
    expect(read(file), file).toMatchObject({ status: 1, stdout: '', stderr: expect.stringMatching(/denied/) })
})

test('an account may only what its table says, and no bearer JWT', async () => {
  const { claims } = await accountClaims(nscOf(made.configuration), 'WORKLOAD')

  expect(claims.nats.limits).toMatchObject({
    ...{ conn: 1024, subs: 1000, payload: 1_048_576, disallow_bearer: true },
    ...{ mem_storage: 67_108_864, disk_storage: 1_073_741_824, streams: 8, consumer: 400 },
  })
  const daysLeft = ((claims.exp as number) - Date.now() / 1000) / 86_400
  expect(daysLeft).toBeGreaterThan(364)
  expect([...signingKeys(claims).keys()].sort()).toEqual(['host_role', 'orchestrator_role'])
})

test('a user with a role says nothing itself, and its key may what the role may', async () => {
  const creds = readCreds(
    readFileSync(join(made.configuration.stateDir, 'shared-creds/orchestrator_auth.creds'), 'utf8'),
  )
  const { claims } = await accountClaims(nscOf(made.configuration), 'WORKLOAD')
  const [key] = signingKeys(claims).get('orchestrator_role') as string[]
  const scope = claims.nats.signing_keys?.find((entry) => typeof entry !== 'string' && entry.key === key)

  expect(creds?.claims).toMatchObject({ name: 'orchestrator_user', iss: key, nats: { pub: {}, sub: {} } })
  const { template } = scope as { template: Partial<User> }
  expect([...(template.pub?.allow ?? [])].sort()).toEqual([...ROLES.orchestrator_role.publish].sort())
  expect([...(template.sub?.allow ?? [])].sort()).toEqual([...ROLES.orchestrator_role.subscribe].sort())
})

test('the broker has the operator from one file only, and keeps claims where it is told, and asks nobody else for long', () => {
  const { stateDir, resolverDir } = made.configuration
  const resolver = readFileSync(join(stateDir, 'main-resolver.conf'), 'utf8')
  const system = readFileSync(join(stateDir, 'SYS.jwt'), 'utf8').trim()

  expect(resolver).not.toMatch(/^operator/m)
  expect(resolver).toContain(`dir: "${resolverDir}"`)
  expect(resolver).toContain(`${decode(system).sub}: ${system}`)
  expect(resolver).toMatch(/^\s*allow_delete: false$/m)
  // Less than clients wait for a broker, which is 2 s: they are to hear that they are refused.
  expect(resolver.match(/^\s*timeout: .*$/gm)).toEqual(['    timeout: "1s"'])
})

test('no seed stands anywhere but in credentials, key files and the store of nsc', () => {
  const { stateDir } = made.configuration
  const files = filesBelow(stateDir).filter((path) => !/\/nsc\/|\.nk$|\.creds$/.test(path))

  expect(files.filter((path) => /S[OAUXN][A-Z2-7]{56}/.test(readFileSync(path, 'latin1')))).toEqual([])
})

test('a second run finds it whole and changes nothing', async () => {
  const copy = made.copy()
  const before = filesBelow(copy.stateDir).map((path) => [path, readFileSync(path, 'latin1')])

  expect(await setUp(copy)).toEqual({ record: made.setUp.record, made: false })
  expect(filesBelow(copy.stateDir).map((path) => [path, readFileSync(path, 'latin1')])).toEqual(before)
})

describe('what is not whole any more is told by name', () => {
  test.each<[string, (folder: string) => void, RegExp]>([
    ['an output that is gone', (folder) => rmSync(join(folder, 'HOLO.jwt')), /HOLO\.jwt is missing/],
    ['an empty one', (folder) => writeFileSync(join(folder, 'SYS.jwt'), ''), /SYS\.jwt is empty/],
    [
      'one for everybody',
      (folder) => chmodSync(join(folder, 'shared-creds/auth_guard.creds'), 0o644),
      /mode 0644 instead of 0600/,
    ],
    [
      'a folder for a group',
      (folder) => chmodSync(join(folder, 'local-keys'), 0o750),
      /local-keys has mode 0750 instead of 0700/,
    ],
    [
      'credentials of another user',
      swap('shared-creds/admin_user.creds', 'shared-creds/orchestrator_auth.creds'),
      /admin_user\.creds is of orchestrator_user/,
    ],
    ['one byte of a JWT', flipJwt, /orchestrator_auth\.creds holds no credentials/],
    [
      'a key file of another key',
      swap('local-keys/response.nk', 'local-keys/host_role.nk'),
      /response\.nk is not the seed of A/,
    ],
    ['the wrong JWT in the file of the operator', swap('HOLO.jwt', 'SYS.jwt'), /HOLO\.jwt is no operator JWT/],
    [
      'a record that was cut short',
      (folder) => writeFileSync(join(folder, 'setup.json'), '{"version":1'),
      /setup\.json is no record/,
    ],
    [
      'a record of the version that did not name who signed',
      (folder) => {
        const record = JSON.parse(readFileSync(join(folder, 'setup.json'), 'utf8'))
        writeFileSync(join(folder, 'setup.json'), JSON.stringify({ ...record, version: 1 }))
      },
      /setup\.json is no record of a setup \(version: must be 2: .*; put it back from a backup, or move setup\.json away/,
    ],
  ])('%s', async (_, spoil, message) => {
    const copy = made.copy()
    spoil(copy.stateDir)

    await expect(setUp(copy)).rejects.toMatchObject({ code: 'output_invalid', message: expect.stringMatching(message) })
  })

  function swap(target: string, source: string) {
    return (folder: string) => writeFileSync(join(folder, target), readFileSync(join(folder, source)))
  }

  function flipJwt(folder: string): void {
    const path = join(folder, 'shared-creds/orchestrator_auth.creds')
    writeFileSync(
      path,
      readFileSync(path, 'utf8').replace(
        /^(eyJ[\w-]+\.eyJ[\w-]{20})(.)/m,
        (_, head, byte) => `${head}${byte === 'A' ? 'B' : 'A'}`,
      ),
    )
  }
})

test('a folder that others could change is refused', async () => {
  const open = made.empty()
  mkdirSync(open.stateDir, { mode: 0o700 })
  chmodSync(open.stateDir, 0o770)

  await expect(setUp(open)).rejects.toThrow('is a folder that somebody else could change')
})

describe('a setup that was stopped', () => {
  test.each([
    ['before its first call', 1, 'before'],
    ['while accounts are made', 6, 'after'],
    ['between a user and the next', 16, 'after'],
    ['while outputs are written', 36, 'before'],
    ['while they are read back', 46, 'before'],
  ] as const)('%s leaves no record; the next one puts it aside and makes a whole one', async (_, at, how) => {
    const { nsc } = made.configuration
    const configuration = made.empty()
    const broken: Configuration = {
      ...configuration,
      nsc: failingNsc(join(configuration.stateDir, '..'), { nsc, at, how }),
    }

    await expect(setUp(broken)).rejects.toMatchObject({
      code: 'nsc_failed',
      message: expect.stringContaining('SIGKILL'),
    })
    expect(existsSync(join(configuration.stateDir, 'setup.json'))).toBe(false)
    await expect(readRecord(configuration)).rejects.toMatchObject({ code: 'setup_missing' })

    const again = await setUp(configuration)
    expect(again).toMatchObject({ made: true, movedAside: expect.stringContaining('/store.incomplete-') })
    expect(readdirSync(again.movedAside as string)).toContain('nsc')
    expect(await readRecord(configuration)).toEqual(again.record)
  })
})

test('a failure of nsc names the command and what it said', async () => {
  const configuration = made.empty()
  const lying = join(configuration.stateDir, '..', 'nsc')
  writeFileSync(
    lying,
    "#!/bin/sh\necho 'disk quota SUAH3SDLECVRDZOD7LRWTJWMH5SLJMNSFKFVZTOSWWRJTBW5XUIRKX7EVA exceeded' >&2; exit 3\n",
    { mode: 0o700 },
  )

  await expect(setUp({ ...configuration, nsc: lying })).rejects.toMatchObject({
    code: 'nsc_failed',
    message:
      'nsc add operator --name HOLO --sys --generate-signing-key ended with exit status 3: disk quota (seed) exceeded',
  })
})

test('a complaint is a failure, even where nsc ends with 0', async () => {
  const configuration = made.empty()
  const lying = join(configuration.stateDir, '..', 'nsc')
  writeFileSync(lying, "#!/bin/sh\necho '[WARN] something' >&2\n", { mode: 0o700 })

  await expect(setUp({ ...configuration, nsc: lying })).rejects.toThrow('ended with 0 and complained: [WARN] something')
})

test('an nsc that is not there is told by its key', async () => {
  const configuration = made.empty({ nsc: '/nowhere/nsc' })

  await expect(setUp(configuration)).rejects.toThrow('could not be started (ENOENT); name the program in the key nsc')
})
