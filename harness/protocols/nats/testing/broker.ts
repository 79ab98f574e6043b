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
import { nats } from '../index.ts'
import type { Realm, RealmAccount } from './realm.ts'

/** A real nats-server on an address of loopback that is its own, in operator mode, over TLS with client certificates. */
export interface Broker extends AsyncDisposable {
  readonly address: string
  readonly port: number
  readonly authority: SigningAuthority
  /** A certificate that it lets in. */
  readonly client: Identity
  readonly endpoint: Endpoint
  /** A folder that goes with it. */
  readonly dir: string
  readonly logFile: string
  /** URL of its monitoring port. */
  readonly monitoring: string
  /** Gives it another JWT of an account, as its operator does. */
  push(accountJwt: string): Promise<void>
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
  const config = {
    ...{ listen: `${address}:${port}`, http: `${address}:8222`, operator: file('operator.jwt') },
    ...{ system_account: system.id, resolver: { type: 'full', dir: file('jwt'), allow_delete: false } },
    resolver_preload: accounts,
    jetstream: { store_dir: file('js'), max_memory_store: 67_108_864, max_file_store: 67_108_864 },
    tls: { cert_file: file('cert.pem'), key_file: file('key.pem'), ca_file: file('ca.pem'), verify: true },
    ...{ max_control_line: 16_384, debug: true, logtime: true, logtime_utc: true, log_file: file('nats.log') },
    ...more,
  }
  await writeFile(file('server.conf'), JSON.stringify(config), { mode: 0o600 })
  const child = spawn(program, ['-c', file('server.conf')], { stdio: ['ignore', 'ignore', 'pipe'] })
  const isOver = async () => child.exitCode !== null || (await answers(address))
  await until('the broker listens', isOver, { withinMs: 20_000, everyMs: 20 })
  if (!(await answers(address))) {
    child.kill('SIGKILL')
    throw new Error(
      `nats-server did not listen: ${(await readFile(file('nats.log'), 'utf8')).split('\n').slice(-6).join('\n')}`,
    )
  }
  const at = { address, port, host, anchorPem: authority.anchorPem, timeoutMs: 10_000 }
  const endpoint = { seat: localSeat('127.0.0.9'), ...at }
  return {
    ...{ address, port, authority, client, endpoint, dir },
    logFile: file('nats.log'),
    monitoring: `http://${address}:8222`,
    async push(accountJwt) {
      const presented = { certificate: client, creds: await system.user('pusher') }
      const request = { ask: '$SYS.REQ.CLAIMS.UPDATE', data: accountJwt }
      const { answer, session } = await nats.prepare({ request, presented, options: {} }).send(endpoint)
      await session?.close()
      if (!answer.body.includes('jwt updated')) throw new Error(`not pushed: ${answer.error ?? answer.body}`)
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
