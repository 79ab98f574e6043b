import { execFile, spawn } from 'node:child_process'
import { realpath } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { StartFailure } from '../shared/start-failure.ts'

const run = promisify(execFile)
const OLDEST_MAJOR = 15
const WITHIN_MS = 50_000

/** A program of PostgreSQL did not do what it was asked for. */
export class ServerFailed extends Error {
  readonly code = 'server_failed'
}

/** The programs of one installed PostgreSQL. */
export interface Server {
  readonly postgres: string
  readonly initdb: string
  /** `18.4` */
  readonly version: string
  readonly major: number
}

/** @throws StartFailure: it cannot be used here */
export async function serverAt(path: string): Promise<Server> {
  if (process.getuid?.() === 0) {
    throw new StartFailure('user_root', 'PostgreSQL refuses to run as root; give the unit a user of its own')
  }
  // It may be a link on PATH, and what belongs to it lies where that leads.
  const postgres = await realpath(path).catch(() => path)
  const { stdout } = await run(postgres, ['--version'], { timeout: WITHIN_MS }).catch((cause: Error) => {
    throw new StartFailure(
      'server_missing',
      `${path} does not run (${cause.message.split('\n')[0]}); name a PostgreSQL`,
    )
  })
  const [, version = '', major = ''] = /\(PostgreSQL\) ((\d+)\S*)/.exec(stdout) ?? []
  if (!(Number(major) >= OLDEST_MAJOR)) {
    const found = version || stdout.trim()
    throw new StartFailure('server_version', `${path} is ${found}; name a PostgreSQL ${OLDEST_MAJOR} or newer`)
  }
  return { postgres, initdb: join(dirname(postgres), 'initdb'), version, major: Number(major) }
}

/** An empty cluster: UTF-8, sorted by bytes, with checksums. Nothing is forced to the disk: whoever uses it copies it. */
export async function initialise({ initdb }: Server, data: string, superuser: string): Promise<void> {
  const options = ['--encoding=UTF8', '--locale=C', '--data-checksums', '--auth=reject', '--wal-segsize=1', '--no-sync']
  await run(initdb, ['--pgdata', data, '--username', superuser, '--no-instructions', ...options], {
    timeout: WITHIN_MS,
    killSignal: 'SIGKILL',
  }).catch((cause: Error & { stderr?: string }) => {
    throw new ServerFailed(`${initdb} failed: ${(cause.stderr || cause.message).trim()}`)
  })
}

/** Says statements to a server of one session without any socket, one a line, as its superuser. Each must be done. */
export async function say(
  { postgres }: Server,
  { data, database, statements }: { data: string; database: string; statements: readonly string[] },
): Promise<void> {
  // A statement that fails would be written to the log, and with it what it says. `-F`: what uses the folder forces it to the disk.
  const settings = {
    ...{ log_min_error_statement: 'panic', log_statement: 'none' },
    ...{ dynamic_shared_memory_type: 'mmap', wal_recycle: 'off' },
  }
  const options = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const child = spawn(postgres, ['--single', '-j', '-F', '-D', data, ...options, database], {
    stdio: ['pipe', 'ignore', 'pipe'],
    timeout: WITHIN_MS,
    killSignal: 'SIGKILL',
  })
  child.stdin.on('error', () => {})
  child.stdin.end(statements.map((statement) => `${statement};\n\n`).join(''))
  const ended = new Promise<number | null>((resolve) => {
    child.once('error', () => resolve(null))
    child.once('close', resolve)
  })
  const [said, code] = await Promise.all([text(child.stderr), ended])
  // A statement that fails does not end it.
  const wrong = said.split('\n').find((line) => /\b(ERROR|FATAL|PANIC):/.test(line))
  if (code === 0 && wrong === undefined) return
  throw new ServerFailed(`${postgres} --single failed: ${wrong?.trim() ?? `it ended with ${code}`}`)
}
