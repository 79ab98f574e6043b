import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { NatsConnection } from '@nats-io/transport-node'
import { type TestAuthority, type TestIdentity, testAuthority } from '../../testing/certificates.ts'
import { freePort, until } from '../../testing/service-process.ts'
import { toolPaths } from '../../testing/tools.ts'
import { type BrokerTarget, connectBroker } from '../broker-connection.ts'
import { readCreds } from '../creds-text.ts'
import { ACCOUNT_NAMES } from '../roles.ts'
import { type TestOperator, type TestUser, testOperator } from './operator.ts'

/** The real nats-server in operator mode: TLS with client certificates, JetStream, full resolver. One for each test file. */
export interface TestBroker extends AsyncDisposable {
  readonly folder: string
  readonly operator: TestOperator
  readonly authority: TestAuthority
  readonly port: number
  readonly server: string
  readonly log: () => string
  /** A client with a certificate of its own, for the host that it is called by. */
  identity(san: string): Promise<TestIdentity>
  target(identity: TestIdentity): BrokerTarget
  login(user: TestUser, identity: TestIdentity, inbox?: string): Promise<NatsConnection>
  /** Pushes an account's claims, as the host of the broker does. */
  push(account: string): Promise<void>
  stop(): Promise<void>
  /** It answers nobody until it is stopped. */
  pause(): void
  start(): Promise<void>
}

export const BROKER_HOST = 'nats-1.somebiz.local.io'

export async function testBroker(extra = ''): Promise<TestBroker> {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-nats-'))
  const program = toolPaths('nats-server')['nats-server']
  const [operator, authority, port] = await Promise.all([testOperator(), testAuthority(folder, 'ca'), freePort()])
  const own = await authority.issue({ sans: [BROKER_HOST] })
  const preload = await Promise.all(
    ACCOUNT_NAMES.map(async (name) => [operator.accounts[name].key.getPublicKey(), await operator.account(name)]),
  )
  writeFileSync(join(folder, 'operator.jwt'), operator.jwt)
  const config = join(folder, 'server.conf')
  writeFileSync(
    config,
    `listen: "127.0.0.1:${port}"
operator: "${folder}/operator.jwt"
system_account: ${operator.accounts.SYS.key.getPublicKey()}
resolver: { type: full, dir: "${folder}/jwt", allow_delete: false, interval: "2m" }
resolver_preload: { ${preload.map(([key, jwt]) => `${key}: ${jwt}`).join('\n')} }
jetstream: { store_dir: "${folder}/js", max_memory_store: 64MB, max_file_store: 1GB }
tls: { cert_file: "${own.certFile}", key_file: "${own.keyFile}", ca_file: "${authority.file}", verify: true }
max_control_line: 16384
debug: true, logtime: true
${extra}
`,
  )
  let process: ChildProcess | undefined
  let log = ''
  const start = async (): Promise<void> => {
    const from = log.length
    const child = spawn(program, ['-c', config], { stdio: ['ignore', 'ignore', 'pipe'] })
    process = child
    child.stderr.on('data', (chunk) => {
      log += String(chunk)
    })
    await until(() => log.slice(from).includes('Server is ready') || child.exitCode !== null, 'the broker', 30_000)
    if (child.exitCode !== null) throw new Error(`the broker ended: ${log.slice(from)}`)
  }
  const stop = async (): Promise<void> => {
    const child = process
    if (child === undefined || child.exitCode !== null) return
    const gone = new Promise((resolve) => child.once('close', resolve))
    child.kill('SIGKILL')
    await gone
  }
  await start()
  const broker: TestBroker = {
    ...{ folder, operator, authority, port, start, stop, server: `tls://${BROKER_HOST}:${port}`, log: () => log },
    pause: () => void process?.kill('SIGSTOP'),
    identity: (san) => authority.issue({ sans: [san] }),
    target: ({ cert, key }) => ({ server: broker.server, ca: [authority.pem], cert, key, connectTimeoutMs: 5_000 }),
    login(user, identity, inbox = '_INBOX.test') {
      const creds = readCreds(user.creds)
      if (creds === undefined) throw new Error('these are no credentials')
      return connectBroker(broker.target(identity), { creds, inbox, name: user.name })
    },
    async push(account) {
      const connection = await broker.login(await operator.user('sys'), await broker.identity('push.somebiz.local.io'))
      const answer = (await connection.request('$SYS.REQ.CLAIMS.UPDATE', account, { timeout: 5_000 })).string()
      await connection.close()
      if (!answer.includes('"code":200')) throw new Error(`the broker did not take the account: ${answer}`)
    },
    async [Symbol.asyncDispose]() {
      await stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
  return broker
}

/** Records of a decision log. */
export function recordsIn(file: string): Record<string, unknown>[] {
  const lines = readFileSync(file, 'utf8').split('\n')
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Record<string, unknown>)
}
