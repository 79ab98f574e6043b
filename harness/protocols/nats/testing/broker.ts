import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { issueLeaf, rogueAuthority, type SigningAuthority } from '../../../pki/authority.ts'
import type { Identity } from '../../../pki/certificate.ts'
import { until } from '../../../site/until.ts'
import { ensureTools } from '../../../toolchain/install.ts'
import type { Endpoint } from '../../endpoint.ts'
import { localSeat } from '../../seat.ts'
import type { Realm, RealmAccount } from './realm.ts'

/** A real nats-server on an address of loopback that is its own, in operator mode, over TLS with client certificates. */
export interface Broker extends AsyncDisposable {
  readonly address: string
  readonly port: number
  readonly authority: SigningAuthority
  /** A certificate that it lets in. */
  readonly client: Identity
  readonly endpoint: Endpoint
  /** Its log so far, line by line. */
  log(): Promise<string[]>
  /** Lines about one connection, once there is one that matches. */
  said(conn: string, pattern: RegExp): Promise<string[]>
  /** Reads its configuration anew, with other account JWTs. */
  preload(accounts: Readonly<Record<string, string>>): Promise<void>
}

export interface BrokerOptions {
  readonly realm: Realm
  readonly system: RealmAccount
  /** Account JWTs by id; that of the system account is among them. */
  readonly accounts: Readonly<Record<string, string>>
  readonly address: string
  readonly more?: Readonly<Record<string, unknown>>
}

const port = 4222
const host = 'nats-1.test'

export async function startBroker({ realm, system, accounts, address, more }: BrokerOptions): Promise<Broker> {
  const [{ path: program = '' } = {}] = await ensureTools(['nats-server'])
  const dir = await mkdtemp(join(tmpdir(), 'holdfast-broker-'))
  const authority = await rogueAuthority('Broker Root')
  const leaf = (subject: string) => issueLeaf({ authority, subject, sans: [subject] })
  const [server, client] = [await leaf(host), await leaf('client.test')]
  const file = (name: string) => join(dir, name)
  await mkdir(file('jwt'))
  await writeFile(file('operator.jwt'), await realm.jwt(system))
  await writeFile(file('cert.pem'), server.certPem)
  await writeFile(file('key.pem'), server.keyPem, { mode: 0o600 })
  await writeFile(file('ca.pem'), authority.anchorPem)
  const configure = (preload: Readonly<Record<string, string>>) =>
    writeFile(
      file('server.conf'),
      JSON.stringify({
        ...{ listen: `${address}:${port}`, http: `${address}:8222`, operator: file('operator.jwt') },
        ...{ system_account: system.id, resolver: { type: 'full', dir: file('jwt'), allow_delete: false } },
        resolver_preload: preload,
        jetstream: { store_dir: file('js'), max_memory_store: 67_108_864, max_file_store: 67_108_864 },
        tls: { cert_file: file('cert.pem'), key_file: file('key.pem'), ca_file: file('ca.pem'), verify: true },
        ...{ max_control_line: 16_384, debug: true, logtime: true, log_file: file('nats.log') },
        ...more,
      }),
      { mode: 0o600 },
    )
  await configure(accounts)
  const child = spawn(program, ['-c', file('server.conf')], { stdio: ['ignore', 'ignore', 'pipe'] })
  const log = async () => (await readFile(file('nats.log'), 'utf8').catch(() => '')).split('\n')
  const isOver = async () => child.exitCode !== null || (await answers(address))
  await until('the broker listens', isOver, { withinMs: 20_000, everyMs: 20 })
  if (!(await answers(address))) {
    child.kill('SIGKILL')
    throw new Error(`nats-server did not listen: ${(await log()).slice(-5).join('\n')}`)
  }
  return {
    ...{ address, port, authority, client, log },
    endpoint: {
      ...{ seat: localSeat('127.0.0.9'), address, port, host, anchorPem: authority.anchorPem, timeoutMs: 10_000 },
    },
    said: (conn, pattern) => {
      const found = async () => {
        const lines = (await log()).filter((line) => line.includes(`${conn} - `))
        return lines.some((line) => pattern.test(line)) && lines
      }
      return until(`a line of ${conn} that matches ${pattern}`, found, { withinMs: 5_000, everyMs: 10 })
    },
    async preload(preload) {
      await configure(preload)
      child.kill('SIGHUP')
    },
    [Symbol.asyncDispose]: () => ended(child, dir),
  }
}

async function ended(child: ChildProcess, dir: string): Promise<void> {
  if (child.exitCode === null) {
    child.kill('SIGTERM')
    await once(child, 'exit')
  }
  await rm(dir, { recursive: true, force: true })
}

/** Whether it says what it is: the first line of the protocol is the server's. */
function answers(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port })
    const over = (isUp: boolean) => {
      socket.destroy()
      resolve(isUp)
    }
    socket.once('data', (bytes) => over(bytes.toString().startsWith('INFO ')))
    socket.once('error', () => over(false))
    socket.once('close', () => over(false))
  })
}
