import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type Authenticator, connect, credsAuthenticator, type NatsConnection } from '@nats-io/transport-node'
import { ROLES, USERS, type UserName } from '../../shared/nats/roles.ts'
import { credsPath } from '../../shared/nats/setup-record.ts'
import { testAuthority } from '../../shared/testing/certificates.ts'
import { toolPaths } from '../../shared/testing/tools.ts'
import type { Configuration } from '../config.ts'

/** A real broker on loopback, set up by the files of a setup, which takes nobody without a certificate of its CA. */
export interface TestBroker extends AsyncDisposable {
  /** The configuration, with this broker in it. */
  readonly configuration: Configuration
  readonly url: string
  readonly tls: { readonly ca: string; readonly cert: string; readonly key: string }
  log(): string
  /** Stops it, and starts it again at the same port. */
  restart(between?: () => void): Promise<void>
}

const READY_WITHIN_MS = 15_000

export async function startBroker(configuration: Configuration): Promise<TestBroker> {
  const folder = join(configuration.stateDir, '../broker')
  mkdirSync(folder, { recursive: true })
  const authority = await testAuthority(folder, 'broker')
  const server = await authority.issue({ sans: ['localhost'] })
  const client = await authority.issue({ sans: ['push.test'] })
  const program = toolPaths('nats-server')['nats-server']
  let log = ''
  let child: ChildProcess
  let port = -1
  const start = async () => {
    writeFileSync(
      join(folder, 'server.conf'),
      configurationText(configuration, folder, port, { ...server, ca: authority.file }),
    )
    child = spawn(program, ['--config', join(folder, 'server.conf')], { stdio: ['ignore', 'ignore', 'pipe'] })
    port = await listeningPort(child, (line) => {
      log += `${line}\n`
    })
  }
  const stop = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill('SIGTERM')
    await ended
  }
  await start()
  const tls = { ca: authority.file, cert: client.certFile, key: client.keyFile }
  const url = `tls://localhost:${port}`
  return {
    configuration: { ...configuration, broker: { url, ...tls, timeoutSeconds: 1 } },
    url,
    tls,
    log: () => log,
    async restart(between = () => {}) {
      await stop()
      between()
      await start()
    },
    [Symbol.asyncDispose]: stop,
  }
}

function configurationText(
  { stateDir, operator }: Configuration,
  folder: string,
  port: number,
  { certFile, keyFile, ca }: { certFile: string; keyFile: string; ca: string },
): string {
  const lines = [
    `listen: 127.0.0.1:${port}`,
    `operator: ${join(stateDir, `${operator}.jwt`)}`,
    'include "../state/main-resolver.conf"',
    `tls { cert_file: ${JSON.stringify(certFile)}, key_file: ${JSON.stringify(keyFile)}, ca_file: ${JSON.stringify(ca)}, verify: true }`,
    `jetstream { store_dir: ${JSON.stringify(join(folder, 'jetstream'))} }`,
    'debug: true',
  ]
  return `${lines.join('\n')}\n`
}

function listeningPort(child: ChildProcess, keep: (line: string) => void): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const said: string[] = []
  const late = setTimeout(
    () => reject(new Error(`the broker was not ready: ${said.slice(-5).join('\n')}`)),
    READY_WITHIN_MS,
  )
  let port = 0
  createInterface({ input: child.stderr! }).on('line', (line) => {
    said.push(line)
    keep(line)
    port = Number(/Listening for client connections on [^ ]+:(\d+)/.exec(line)?.[1] ?? port)
    if (line.includes('Server is ready')) resolve(port)
  })
  child.once('exit', (code) => reject(new Error(`the broker ended with ${code}: ${said.slice(-5).join('\n')}`)))
  return promise.finally(() => clearTimeout(late))
}

/** A connection that ends with the test. */
export interface Login extends AsyncDisposable {
  readonly connection: NatsConnection
}

/** As a user of the setup: from its credentials file, or from those that are given. */
export function loginAs(
  { configuration, ...broker }: TestBroker,
  user: UserName,
  creds: Uint8Array = readFileSync(join(configuration.stateDir, credsPath(user))),
): Promise<Login> {
  const { role } = USERS[user]
  return login(broker, credsAuthenticator(creds), role === undefined ? undefined : ROLES[role].inbox)
}

export async function login(
  { url, tls }: Pick<TestBroker, 'url' | 'tls'>,
  authenticator: Authenticator,
  inboxPrefix = '_INBOX',
): Promise<Login> {
  const connection = await connect({
    ...{ servers: url, reconnect: false, timeout: 10_000, authenticator, inboxPrefix },
    tls: { caFile: tls.ca, certFile: tls.cert, keyFile: tls.key },
  })
  return { connection, [Symbol.asyncDispose]: () => connection.close() }
}
