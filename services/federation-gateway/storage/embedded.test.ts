import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  lchownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { freePort, spawnService, startService, until } from '../../shared/testing/service-process.ts'
import { ask } from '../testing/federation.ts'
import { holdServer, liveRoot } from '../testing/live.ts'
import type { DoctorReport } from '../wire/doctor.ts'

// The real program in tier local: a PostgreSQL of its own, and no federation.

const isRoot = process.getuid?.() === 0
const nobody = 65_534
const as = isRoot ? { uid: nobody, gid: nobody } : {}
const NAME = 'gateway-b.somebiz.local.io'

let folder: string
let configuration: Record<string, unknown>
let port: number
let ca: string
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-embedded-'))
  const root = await liveRoot('root')
  ca = String(root.certificate)
  const server = await holdServer(root, [NAME])
  writeFileSync(join(folder, 'cert.pem'), server.cert)
  writeFileSync(join(folder, 'key.pem'), server.key, { mode: 0o600 })
  port = await freePort()
  configuration = {
    ...{ publicName: NAME, dataDir: join(folder, 'data'), decisionLog: join(folder, 'decisions.jsonl') },
    ...{ tls: { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') } },
    listeners: { public: `127.0.0.1:${port}` },
  }
  handOver()
})
afterEach(() => {
  for (const pid of servers()) process.kill(pid, 'SIGQUIT')
  rmSync(folder, { recursive: true, force: true })
})

/** All that is there is of the user that the program runs as. */
function handOver(): void {
  if (!isRoot) return
  for (const path of [folder, ...readdirSync(folder).map((name) => join(folder, name))])
    lchownSync(path, nobody, nobody)
}

/** PostgreSQL of this folder that runs. */
function servers(): number[] {
  const listed = execFileSync('ps', ['-eo', 'pid,args'], { encoding: 'utf8' }).split('\n')
  return listed.filter((line) => line.includes(`-D ${folder}`)).map((line) => Number.parseInt(line, 10))
}

async function run(command: string[], changes: object = {}) {
  const service = spawnService('federation-gateway', folder, { ...configuration, ...changes }, command, as)
  handOver()
  const code = await service.exited
  return { code, stdout: service.stdout(), stderr: service.stderr() }
}

async function start() {
  const starting = startService('federation-gateway', folder, configuration, ['start'], as)
  handOver()
  return starting
}

const ready = async (): Promise<number> => {
  const asking = { ca, servername: NAME, method: 'GET', headers: { host: `${NAME}:${port}` } }
  return (await ask(`https://127.0.0.1:${port}/readyz`, asking)).status
}

test('it makes a PostgreSQL of its own, serves by it, and takes it along when it ends', async () => {
  expect(await run(['start'])).toMatchObject({ code: 78, stderr: expect.stringContaining('run gateway migrate') })
  expect(servers()).toEqual([])
  const migrated = await run(['migrate'])
  expect([migrated.code, JSON.parse(migrated.stdout).done.length]).toEqual([0, 6])
  expect(await run(['start', '--check-config'])).toMatchObject({ code: 0, stdout: 'the configuration is good\n' })
  expect(servers()).toEqual([])
  const gateway = await start()
  expect(await ready()).toBe(200)
  // A command beside it uses the same one, and leaves it running.
  expect(await run(['migrate'])).toMatchObject({ code: 0, stdout: '{"done":[]}\n' })
  expect(await ready()).toBe(200)
  const report = await examined()
  expect(report).toMatchObject({ tier: 'local', ok: true })
  expect(connectionIn(report)).toMatchObject({ status: 'ok', detail: expect.stringContaining('127.0.0.1') })
  const ofDatabase = report.checks.filter(({ id }) => id.startsWith('postgres.') && id !== 'postgres.vector')
  expect(ofDatabase.map(({ status }) => status)).toEqual(['ok', 'ok', 'ok', 'ok', 'ok'])
  const password = readFileSync(join(folder, 'data/postgres-password'), 'utf8')
  const args = execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' })
  for (const told of [args, gateway.stderr(), migrated.stdout, migrated.stderr]) expect(told).not.toContain(password)
  gateway.process.kill('SIGTERM')
  expect(await gateway.exited).toBe(0)
  expect(servers()).toEqual([])
  // A doctor starts nothing.
  const unlit = connectionIn(await examined())
  expect(unlit).toMatchObject({ status: 'skip', detail: expect.stringContaining('does not run') })
  expect(servers()).toEqual([])
})

async function examined(changes: object = {}): Promise<DoctorReport> {
  return JSON.parse((await run(['doctor', '--json'], changes)).stdout)
}

function connectionIn({ checks }: DoctorReport) {
  return checks.find(({ id }) => id === 'postgres.connect')!
}

test('one that a killed gateway has left is found again', async () => {
  await run(['migrate'])
  const killed = await start()
  killed.process.kill('SIGKILL')
  await killed.exited
  const left = servers()
  expect(left).not.toEqual([])
  const next = await start()
  expect([await ready(), servers()]).toEqual([200, left])
  next.process.kill('SIGTERM')
  expect(await next.exited).toBe(0)
  await until(() => servers().length === 0, 'the PostgreSQL to end')
})

test.each<[what: string, spoil: () => object, message: RegExp, doctor: readonly [detail: RegExp, remedy: RegExp]]>([
  [
    'a data folder of others, too',
    () => {
      mkdirSync(join(folder, 'data'))
      chmodSync(join(folder, 'data'), 0o755)
      if (isRoot) chownSync(join(folder, 'data'), nobody, nobody)
      return {}
    },
    /dataDir .* is not a folder of this user alone; make it 0700/,
    [/dataDir .* is not a folder of this user alone$/, /make it 0700, or name another/],
  ],
  [
    'a program that is none',
    () => ({ postgres: '/bin/false' }),
    /initdb failed/,
    [/^\/bin\/initdb cannot be executed \(ENOENT\)$/, /name the program/],
  ],
])('%s is refused by name, and named by the doctor', async (_, spoil, message, [detail, remedy]) => {
  const changes = spoil()
  const refused = await run(['start'], changes)
  expect([refused.code, refused.stderr]).toEqual([78, expect.stringMatching(message)])
  expect(refused.stderr).toMatch(/^gateway: store_unusable: [^\n]+\n$/)
  const report = await examined(changes)
  expect(report.checks.filter(({ status }) => status === 'fail')).toEqual([connectionIn(report)])
  expect(connectionIn(report)).toMatchObject({
    ...{ status: 'fail', detail: expect.stringMatching(detail), remedy: expect.stringMatching(remedy) },
  })
})

test.runIf(isRoot)('root is told to be somebody else', async () => {
  const service = spawnService('federation-gateway', folder, configuration, ['start'])
  expect([await service.exited, service.stderr()]).toEqual([78, expect.stringContaining('refuses to run as root')])
})
