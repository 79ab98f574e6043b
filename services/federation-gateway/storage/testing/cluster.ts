import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chown, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import pg from 'pg'
import { bareEnvironment } from '../../../shared/testing/environment.ts'
import { toolPaths } from '../../../shared/testing/tools.ts'
import { Database, type DatabaseOptions } from '../database.ts'
import { migrate } from '../migrate.ts'

// Not shipped: a real PostgreSQL for one file of tests.

const run = promisify(execFile)
const OWNER = 'keeper'
const READY_WITHIN_MS = 20_000
/** PostgreSQL refuses to be root. */
const nobody = 65_534
const isRoot = process.getuid?.() === 0
const ids = isRoot ? { uid: nobody, gid: nobody } : {}

export interface Cluster extends AsyncDisposable {
  /** Of the superuser, for what no role of ours may. */
  readonly superuser: pg.Pool
  readonly port: number
  /** A database of its own, migrated unless it is to be empty. */
  database(options?: { empty?: boolean }): Promise<TestDatabase>
  /** As a machine that hangs, and goes on. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void
  /** At once, without a word to its sessions. */
  kill(): Promise<void>
  start(): Promise<void>
}

export interface TestDatabase extends AsyncDisposable {
  readonly url: string
  /** Sessions of the owner, and those that the gateway has. */
  readonly owner: Database
  readonly app: Database
  open(options: Omit<DatabaseOptions, 'url'>): Database
}

export async function startCluster(): Promise<Cluster> {
  const { postgres: server } = toolPaths('postgres')
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-gateway-store-'))
  if (isRoot) await chown(folder, nobody, nobody)
  const at = (name: string) => join(folder, name)
  await make(server, at)
  const port = await freePort()
  const hba = 'host all all 127.0.0.1/32 trust\n'
  await writeFile(at('hba.conf'), hba)
  let child = serve(server, at, port)
  const superuser = new pg.Pool({ host: '127.0.0.1', port, user: 'postgres', database: 'template1', max: 1 })
  superuser.on('error', () => {})
  await untilReady(superuser)
  await migrateFirst(port)
  let databases = 0
  return {
    superuser,
    port,
    async database({ empty = false } = {}) {
      const name = `test_${++databases}`
      await superuser.query(`CREATE DATABASE ${name} TEMPLATE ${empty ? 'template1' : 'gateway'} OWNER ${OWNER}`)
      return databaseAt(`postgres://${OWNER}@127.0.0.1:${port}/${name}`)
    },
    signal: (signal) => void child.kill(signal),
    async kill() {
      const ended = once(child, 'exit')
      child.kill('SIGQUIT')
      await ended
    },
    async start() {
      child = serve(server, at, port)
      await untilReady(superuser)
    },
    async [Symbol.asyncDispose]() {
      await superuser.end()
      const ended = child.exitCode === null && child.signalCode === null ? once(child, 'exit') : undefined
      child.kill('SIGCONT')
      child.kill('SIGQUIT')
      await ended
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** As a node does: a copy of one empty cluster that all files of this machine share. */
async function make(server: string, at: (name: string) => string): Promise<void> {
  await writeFile(at('password'), '0123456789abcdef0123456789abcdef', { mode: 0o600 })
  if (isRoot) await chown(at('password'), nobody, nobody)
  const main = join(import.meta.dirname, '../../../postgres-setup/main.ts')
  const flags = {
    ...{ server, data: at('data'), database: 'gateway', owner: OWNER },
    ...{ 'password-file': at('password'), 'version-settings': at('version.conf') },
  }
  const args = Object.entries(flags).flatMap(([flag, value]) => [`--${flag}`, value])
  const node = ['--conditions=holdfast-source', '--disable-warning=ExperimentalWarning', main]
  const { NODE_COMPILE_CACHE: _, ...env } = bareEnvironment
  await run(process.execPath, [...node, ...args], { ...ids, cwd: '/', env: { ...env, TMPDIR: tmpdir() } })
}

function serve(server: string, at: (name: string) => string, port: number) {
  const settings = {
    ...{ listen_addresses: '127.0.0.1', port, unix_socket_directories: '', hba_file: at('hba.conf') },
    ...{ shared_buffers: '32MB', dynamic_shared_memory_type: 'mmap', max_connections: 120, timezone: 'UTC' },
    ...{ fsync: 'off', wal_level: 'minimal', max_wal_senders: 0, jit: 'off' },
  }
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  return spawn(server, ['-D', at('data'), ...flags], { ...ids, cwd: '/', env: { LC_ALL: 'C' }, stdio: 'ignore' })
}

async function untilReady(pool: pg.Pool): Promise<void> {
  const end = performance.now() + READY_WITHIN_MS
  for (let last: unknown; ; await sleep(20)) {
    try {
      await pool.query('SELECT 1')
      return
    } catch (failure) {
      last = failure
    }
    if (performance.now() > end) throw new Error('the PostgreSQL of this file does not answer', { cause: last })
  }
}

/** The database that all others of the file are copied from. */
async function migrateFirst(port: number): Promise<void> {
  await using owner = new Database({ url: `postgres://${OWNER}@127.0.0.1:${port}/gateway`, withinMs: 0, sessions: 1 })
  await migrate(owner)
}

function databaseAt(url: string): TestDatabase {
  const opened: Database[] = []
  const open = (options: Omit<DatabaseOptions, 'url'>) => {
    const database = new Database({ url, ...options })
    opened.push(database)
    return database
  }
  return {
    url,
    owner: open({ withinMs: 0, sessions: 4 }),
    app: open({ role: 'gateway_app', withinMs: 10_000 }),
    open,
    async [Symbol.asyncDispose]() {
      await Promise.all(opened.map((database) => database[Symbol.asyncDispose]()))
    },
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as { port: number }
      probe.close(() => resolve(port))
    })
  })
}
