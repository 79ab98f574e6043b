import { execFile } from 'node:child_process'
import { chmod, chown, cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { toolPaths } from '../shared/testing/tools.ts'

vi.setConfig({ testTimeout: 120_000 })

const nobody = 65_534
const isRoot = process.getuid?.() === 0
const ids = isRoot ? { uid: nobody, gid: nobody } : {}
const main = join(import.meta.dirname, 'main.ts')
const password = '0123456789abcdef0123456789abcdef'
const { postgres: server } = toolPaths('postgres')

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-postgres-setup-'))
  await writeFile(join(folder, 'password'), password, { mode: 0o600 })
  if (isRoot) for (const path of [folder, join(folder, 'password')]) await chown(path, nobody, nobody)
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
})

interface Ended {
  code: number
  stdout: string
  stderr: string
}

function run(args: readonly string[], who: object = ids): Promise<Ended> {
  const options = { ...who, cwd: '/', env: { PATH: '/usr/bin:/bin', TMPDIR: folder } }
  const argv = ['--conditions=holdfast-source', '--disable-warning=ExperimentalWarning', main, ...args]
  return new Promise((resolve) => {
    execFile(process.execPath, argv, options, (failure, stdout, stderr) => {
      resolve({ code: failure === null ? 0 : Number(failure.code), stdout, stderr })
    })
  })
}

const at = (name: string) => join(folder, name)

function setUp(changed: Readonly<Record<string, string>> = {}, who?: object): Promise<Ended> {
  const flags = {
    ...{ server, data: at('data'), database: 'gateway', owner: 'keeper' },
    ...{ 'password-file': at('password'), 'version-settings': at('version.conf'), templates: at('templates') },
  }
  const all = Object.entries({ ...flags, ...changed }).flatMap(([flag, value]) => [`--${flag}`, value])
  return run(all, who)
}

const refused = (reason: string, text: RegExp | string) => ({
  code: 78,
  stdout: '',
  stderr: expect.stringMatching(
    new RegExp(`^postgres-setup: ${reason}: [^\\n]*${text instanceof RegExp ? text.source : text}[^\\n]*\\n$`),
  ),
})

test('makes a data folder once, from one empty cluster that all others are copied from, and tells nobody the password', async () => {
  const first = await setUp()
  expect(first).toMatchObject({ code: 0, stderr: '' })
  expect(JSON.parse(first.stdout)).toMatchObject({ data: at('data'), made: true })
  expect(JSON.parse((await setUp()).stdout)).toMatchObject({ made: false })
  // Of the same program in another place, too.
  const elsewhere = at('elsewhere')
  await cp(join(server, '..', '..'), elsewhere, { recursive: true, verbatimSymlinks: true })
  if (isRoot) await chown(elsewhere, nobody, nobody)
  expect(
    JSON.parse(
      (await setUp({ data: at('other'), database: 'postgres', server: join(elsewhere, 'bin', 'postgres') })).stdout,
    ),
  ).toMatchObject({ made: true })

  const [template, ...more] = await readdir(at('templates'))
  expect([template, more]).toEqual([expect.stringMatching(/^\d+\.\d+-[0-9a-f]{16}$/), []])
  const files = await readdir(at('data'), { recursive: true, withFileTypes: true })
  const texts = files.filter((entry) => entry.isFile()).map((entry) => readFile(join(entry.parentPath, entry.name)))
  expect((await Promise.all(texts)).filter((content) => content.includes(password))).toEqual([])
  expect(first.stdout).not.toContain(password)
})

test.each<[string, string, RegExp, () => Promise<unknown>]>([
  ['of somebody who made it otherwise', 'data_foreign', /was not made here; name another/, () => mkdir(at('data'))],
  ['that is a link', 'data_foreign', /is a link or no folder/, () => symlink('/tmp', at('data'))],
])('a data folder %s is left alone', async (_, reason, text, prepare) => {
  await prepare()
  if (isRoot) await chown(at('data'), nobody, nobody).catch(() => {})
  expect(await setUp()).toEqual(refused(reason, text))
})

test.runIf(isRoot)('a data folder that belongs to somebody else is left alone', async () => {
  await mkdir(at('data'))
  await chmod(at('data'), 0o755)

  expect(await setUp()).toEqual(refused('data_foreign', /data belongs to user 0; name another/))
  await rm(at('data'), { recursive: true })
  expect(await setUp()).toMatchObject({ code: 0 })
})

test('a data folder that was made for another database, or by another version, is not taken for ours', async () => {
  expect(await setUp()).toMatchObject({ code: 0 })

  expect(await setUp({ database: 'other' })).toEqual(refused('data_foreign', /was made for .*gateway/))
  await writeFile(join(at('data'), 'PG_VERSION'), '14\n')
  expect(await setUp()).toEqual(refused('data_version', /is of PostgreSQL 14; name that one/))
})

test.each([
  ['that others can read', async () => chmod(at('password'), 0o644), /can be read by others; give it mode 0600/],
  ['that is short', async () => writeFile(at('password'), 'short'), /must hold one password of 16 printable/],
  ['with a blank', async () => writeFile(at('password'), 'one two three four'), /must hold one password/],
  ['that is missing', async () => rm(at('password')), /cannot be read \(ENOENT\)/],
])('a password file %s is refused, and makes nothing', async (_, spoil, text) => {
  await spoil()
  const made = await setUp()
  expect(made).toEqual(refused('password_file', text))
  expect(await run(['check-password', at('password')])).toEqual(made)
  expect(await readdir(folder)).not.toContain('data')
})

test('a password file as it must be is good', async () => {
  expect(await run(['check-password', at('password')])).toEqual({ code: 0, stdout: '', stderr: '' })
})

test('what somebody began to make and left is removed once that was long ago', async () => {
  for (const name of ['templates', 'templates/.making-now', 'templates/.making-once']) {
    await mkdir(at(name), { mode: 0o700 })
    if (isRoot) await chown(at(name), nobody, nobody)
  }
  const longAgo = Date.now() / 1000 - 3_600
  await utimes(at('templates/.making-once'), longAgo, longAgo)

  expect(await setUp()).toMatchObject({ code: 0 })
  expect((await readdir(at('templates'))).filter((name) => name.startsWith('.'))).toEqual(['.making-now'])
})

test('empty clusters in a folder of somebody else are not used', async () => {
  await mkdir(at('templates'), { mode: 0o755 })
  if (isRoot) await chown(at('templates'), nobody, nobody)
  await chmod(at('templates'), 0o755)

  expect(await setUp()).toEqual(refused('templates_foreign', /is not a folder of this user alone; remove it/))
})

test('a server that is too old, or none, is refused by name', async () => {
  const old = at('postgres')
  await writeFile(old, '#!/bin/sh\necho "postgres (PostgreSQL) 14.9"\n', { mode: 0o755 })

  expect(await setUp({ server: old })).toEqual(refused('server_version', /is 14.9; name a PostgreSQL 15 or newer/))
  expect(await setUp({ server: '/nowhere' })).toEqual(refused('server_missing', /\/nowhere does not run/))
})

test.runIf(isRoot)('root is told to be somebody else', async () => {
  expect(await setUp({}, {})).toEqual(refused('user_root', /give the unit a user of its own/))
})

test.each([
  ['database', 'Gate"way'],
  ['owner', 'pg_owner'],
  ['data', 'relative'],
])('%s %s is no configuration', async (key, value) => {
  expect(await setUp({ [key]: value })).toEqual(refused('config_invalid', `${key}: must `))
})
