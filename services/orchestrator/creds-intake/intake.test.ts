import { execFileSync, spawn } from 'node:child_process'
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { CredsRefused, readCredsSet } from '../../shared/nats/creds-set.ts'
import {
  handOver,
  manifestFor,
  type TestOperator,
  type TestUser,
  testOperator,
} from '../../shared/nats/testing/operator.ts'
import { bareEnvironment } from '../../shared/testing/environment.ts'
import { boundFiles, canBoundFiles } from '../../shared/testing/full-disk.ts'
import { type IntakeClock, takeOver } from './intake.ts'
import { optionsOf } from './run.ts'

// Credentials are handed over in one folder and taken over into another; time passes when the test says so.

vi.setConfig({ testTimeout: 60_000 })

const root = mkdtempSync(join(tmpdir(), 'holdfast-intake-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

let operator: TestOperator
let users: TestUser[]
let made = 0

beforeAll(async () => {
  operator = await testOperator()
  users = [await operator.user('admin_user'), await operator.user('orchestrator_user')]
})

function folders() {
  made += 1
  const configuration = {
    ...{ node: 'orchestrator', unit: 'creds-intake', receiver: 'orchestrator' as const },
    handover: { folder: join(root, `${made}`, 'handover'), fileMode: '0640', timeoutSeconds: 120 },
    credsDir: join(root, `${made}`, 'nats-creds'),
    decisionLog: join(root, `${made}-decisions.jsonl`),
  }
  mkdirSync(join(root, `${made}`))
  return { ...configuration, configuration, options: optionsOf(configuration) }
}

const filesIn = (folder: string) =>
  Object.fromEntries(
    readdirSync(folder).map((name) => [name, (statSync(join(folder, name)).mode & 0o7777).toString(8)]),
  )
const refusal = (failure: unknown) => (failure instanceof CredsRefused ? failure.reason : failure)
const current = (folder: string) =>
  JSON.parse(readFileSync(join(folder, 'current.json'), 'utf8')) as { generation: number }

test('what was handed over is installed for us alone, and a second time nothing is written', async () => {
  const { handover, credsDir, options } = folders()
  handOver(handover.folder, manifestFor(operator, users, 3), users)

  expect(await takeOver(options)).toMatchObject({ isNew: true, set: { manifest: { generation: 3 } } })
  expect(statSync(credsDir).mode & 0o7777).toBe(0o700)
  expect(filesIn(credsDir)).toEqual({
    'admin_user.creds': '600',
    'current.json': '600',
    'orchestrator_auth.creds': '600',
  })
  expect(readFileSync(join(credsDir, 'orchestrator_auth.creds'), 'utf8')).toBe(users[1]?.creds)
  expect(readCredsSet(options.installed).manifest.generation).toBe(3)
  const before = statSync(join(credsDir, 'current.json')).mtimeMs
  expect(await takeOver(options)).toMatchObject({ isNew: false })
  expect(statSync(join(credsDir, 'current.json')).mtimeMs).toBe(before)
})

test('a newer generation takes the place of the one before, an older one does not', async () => {
  const { handover, credsDir, options } = folders()
  handOver(handover.folder, manifestFor(operator, users, 3), users)
  await takeOver(options)
  const next = [users[0] as TestUser, await operator.user('orchestrator_user')]
  handOver(handover.folder, manifestFor(operator, next, 4), next)
  await takeOver(options)
  expect(readFileSync(join(credsDir, 'orchestrator_auth.creds'), 'utf8')).toBe(next[1]?.creds)

  handOver(handover.folder, manifestFor(operator, users, 3), users)

  expect(await takeOver(options).catch(refusal)).toBe('generation_old')
  expect(current(credsDir).generation).toBe(4)
})

test('credentials of another operator are refused once those of one are installed', async () => {
  const { handover, credsDir, options } = folders()
  handOver(handover.folder, manifestFor(operator, users, 1), users)
  await takeOver(options)
  const other = await testOperator()
  const theirs = [await other.user('admin_user'), await other.user('orchestrator_user')]
  handOver(handover.folder, manifestFor(other, theirs, 2), theirs)

  expect(await takeOver(options).catch(refusal)).toBe('operator_changed')
  // Whoever writes the manifest can claim to be anybody.
  handOver(handover.folder, { ...manifestFor(other, theirs, 2), operator: operator.key.getPublicKey() }, theirs)
  expect(await takeOver(options).catch(refusal)).toBe('operator_changed')
  expect(current(credsDir).generation).toBe(1)
})

test.each<[string, (file: string) => void]>([
  ['damaged', (file) => writeFileSync(file, readFileSync(file, 'utf8').slice(1))],
  ['empty', (file) => writeFileSync(file, '')],
  ['no file', (file) => replaceByFolder(file)],
])('what is installed pins what follows, and when what says so is %s nothing follows', async (_, damage) => {
  const { handover, credsDir, options } = folders()
  handOver(handover.folder, manifestFor(operator, users, 5), users)
  await takeOver(options)
  const other = await testOperator()
  const theirs = [await other.user('admin_user'), await other.user('orchestrator_user')]
  handOver(handover.folder, manifestFor(other, theirs, 1), theirs)
  damage(join(credsDir, 'current.json'))

  expect(await takeOver(options).catch(refusal)).toBe('manifest_invalid')
  expect(readFileSync(join(credsDir, 'admin_user.creds'), 'utf8')).toBe(users[0]?.creds)
  rmSync(join(credsDir, 'current.json'), { recursive: true })
  expect(await takeOver(options)).toMatchObject({ isNew: true })
})

function replaceByFolder(file: string): void {
  unlinkSync(file)
  mkdirSync(file)
}

test('what a killed intake left, or somebody damaged, is made whole', async () => {
  const { handover, credsDir, options } = folders()
  handOver(handover.folder, manifestFor(operator, users, 1), users)
  await takeOver(options)
  writeFileSync(join(credsDir, '.tmp-1'), 'half')
  writeFileSync(join(credsDir, 'admin_user.creds'), 'half')

  expect(await takeOver(options)).toMatchObject({ isNew: true })
  expect(Object.keys(filesIn(credsDir))).toEqual(['admin_user.creds', 'current.json', 'orchestrator_auth.creds'])
  expect(readCredsSet(options.installed).manifest.generation).toBe(1)
})

test('nothing is put into a folder that others can enter', async () => {
  const { handover, credsDir, options } = folders()
  handOver(handover.folder, manifestFor(operator, users, 1), users)
  mkdirSync(credsDir)
  chmodSync(credsDir, 0o755)

  expect(await takeOver(options).catch(refusal)).toBe('folder_mode_invalid')
  expect(readdirSync(credsDir)).toEqual([])
})

/** Each look takes a quarter of a second, and `at` acts before the look of that number. */
function steppedClock(at: (look: number) => void): IntakeClock & { looks: number } {
  let now = 0
  const clock = {
    looks: 0,
    now: () => now,
    async change(_: string, withinMs: number) {
      clock.looks += 1
      now += withinMs
      at(clock.looks)
    },
  }
  return clock
}

test('it waits for the manifest, and looks every 250 ms', async () => {
  const { handover, options } = folders()
  const clock = steppedClock((look) => {
    if (look === 9) handOver(handover.folder, manifestFor(operator, users, 1), users)
  })

  expect(await takeOver({ ...options, clock })).toMatchObject({ isNew: true })
  expect(clock).toMatchObject({ looks: 9 })
  expect(clock.now()).toBe(2_250)
})

test('files without a manifest are not there, and after its time it says so', async () => {
  const { handover, credsDir, options } = folders()
  handOver(handover.folder, manifestFor(operator, users, 1), users)
  unlinkSync(join(handover.folder, 'manifest.json'))
  const clock = steppedClock(() => {})

  expect(await takeOver({ ...options, clock }).catch(refusal)).toBe('handover_timeout')
  expect(clock.now()).toBe(120_000)
  expect(() => statSync(credsDir)).toThrow()
})

test.each<[string, (manifest: string) => void]>([
  ['a pipe that nobody writes to', (manifest) => void execFileSync('mkfifo', ['-m', '0640', manifest])],
  ['a link', (manifest) => symlinkSync('/dev/zero', manifest)],
  ['a folder', (manifest) => void mkdirSync(manifest)],
  ['too large to be one', (manifest) => writeFileSync(manifest, ' '.repeat(65_537), { mode: 0o640 })],
])('a manifest that is %s is refused, and not waited for', async (_, put) => {
  const { handover, credsDir, configuration } = folders()
  handOver(handover.folder, manifestFor(operator, users, 1), users)
  unlinkSync(join(handover.folder, 'manifest.json'))
  put(join(handover.folder, 'manifest.json'))

  // As a program, so that one which hangs can be ended.
  expect(await run(configuration)).toMatchObject({
    ...{ code: 78, stderr: expect.stringContaining('manifest_invalid') },
  })
  expect(() => statSync(credsDir)).toThrow()
})

test('a disk that is full leaves the set before whole, and says so', async ({ skip }) => {
  skip(!canBoundFiles, 'no prlimit here')
  const { handover, credsDir, options } = folders()
  handOver(handover.folder, manifestFor(operator, users, 1), users)
  await takeOver(options)
  const next = [await operator.user('admin_user'), await operator.user('orchestrator_user')]
  // The first of them still has its place.
  next.sort((a, b) => a.creds.length - b.creds.length)
  handOver(handover.folder, manifestFor(operator, next, 2), next)

  boundFiles(process.pid, next[1]!.creds.length - 1)
  const failure = await takeOver(options)
    .catch((failure: unknown) => failure)
    .finally(() => boundFiles(process.pid, undefined))

  const message = `nothing can be installed in ${credsDir} (EFBIG): free some space, and start this again; what was installed before is still good`
  expect(failure).toMatchObject({ reason: 'storage_unavailable', message })
  expect(readdirSync(credsDir).sort()).toEqual(['admin_user.creds', 'current.json', 'orchestrator_auth.creds'])
  expect(readCredsSet(options.installed).manifest.generation).toBe(1)
  expect(await takeOver(options)).toMatchObject({ isNew: true, set: { manifest: { generation: 2 } } })
})

test('a set that is replaced while it is judged is judged anew', async () => {
  const { handover, options } = folders()
  handOver(handover.folder, manifestFor(operator, users, 1), users)
  const next = [users[0] as TestUser, await operator.user('orchestrator_user')]
  let looks = 0
  // Between the manifest and the files: their digests are not those that it names.
  const now = () => {
    looks += 1
    if (looks === 1) handOver(handover.folder, manifestFor(operator, next, 2), next)
    return Date.now()
  }

  const { set } = await takeOver({ ...options, handover: { ...options.handover, now } })

  expect(set.manifest.generation).toBe(2)
})

const MAIN = fileURLToPath(new URL('../main.ts', import.meta.url))

function run(configuration: object): Promise<{ code: number | null; stderr: string }> {
  const file = join(root, `${made}.json`)
  writeFileSync(file, JSON.stringify(configuration), { mode: 0o600 })
  const child = spawn(process.execPath, [MAIN, 'creds-intake', '--config', file], {
    env: bareEnvironment,
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: 30_000,
    killSignal: 'SIGKILL',
  })
  let stderr = ''
  child.stderr.on('data', (chunk) => {
    stderr += String(chunk)
  })
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, stderr })))
}

const recorded = (file: string) => JSON.parse(readFileSync(file, 'utf8').trim().split('\n').at(-1) ?? '') as object

test('as a program it ends with 0, with 78 for what is refused, with 75 for what does not come, and tells no secret', async () => {
  const { handover, credsDir, decisionLog, configuration } = folders()
  const waiting = { ...configuration, handover: { ...handover, timeoutSeconds: 1 } }

  const late = await run(waiting)
  expect(late).toMatchObject({ code: 75, stderr: expect.stringContaining('handover_timeout') })
  expect(recorded(decisionLog)).toMatchObject({
    ...{
      verdict: 'refused',
      layer: 'start-up',
      guard: 'creds.handover',
      reason: 'handover_timeout',
      unit: 'creds-intake',
    },
  })

  handOver(handover.folder, manifestFor(operator, users, 1), users, { folder: 0o2770, file: 0o640 })
  const open = await run(configuration)
  expect(open.code).toBe(78)
  expect(open.stderr).toContain(`folder_mode_invalid: ${handover.folder} has mode 02770`)
  expect(recorded(decisionLog)).toMatchObject({ guard: 'creds.folder', reason: 'folder_mode_invalid' })

  chmodSync(handover.folder, 0o2750)
  const good = await run(configuration)
  expect(good).toMatchObject({ code: 0, stderr: expect.stringContaining('"installed"') })
  expect(current(credsDir).generation).toBe(1)
  expect(late.stderr + open.stderr + good.stderr).not.toMatch(/eyJ|SU[A-Z2-7]{56}/)
})
