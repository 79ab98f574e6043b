import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestBroker, testBroker } from '../../shared/nats/testing/broker.ts'
import { handOver, manifestFor, type TestUser, type UserChange } from '../../shared/nats/testing/operator.ts'
import type { TestIdentity } from '../../shared/testing/certificates.ts'
import { freePort } from './process.ts'

/** A real broker with credentials, and what an orchestrator that is connected to it needs. */
export interface MessagingSite extends AsyncDisposable {
  readonly broker: TestBroker
  readonly own: TestIdentity
  readonly operator: TestIdentity
  /** Credentials as they are installed; `generation` is the one that stands in `current.json`. */
  install(credsDir: string, generation: number, change?: UserChange): Promise<{ admin: TestUser; worker: TestUser }>
  configuration(messaging?: object): Promise<MessagingTestConfiguration>
}

export interface MessagingTestConfiguration {
  node: string
  host: string
  listen: { local: string }
  storage: { path: string }
  decisionLog: string
  messaging: { server: string; credsDir: string } & Record<string, unknown>
}

export const HOST = 'orchestrator.somebiz.local.io'

export async function messagingSite(extra = ''): Promise<MessagingSite> {
  const broker = await testBroker(extra)
  const own = await broker.identity(HOST)
  const operator = await broker.identity('operator.somebiz.local.io')
  let made = 0
  const install: MessagingSite['install'] = async (credsDir, generation, change) => {
    const admin = await broker.operator.user('admin_user', change)
    const worker = await broker.operator.user('orchestrator_user', change)
    mkdirSync(credsDir, { recursive: true })
    const users = [admin, worker]
    const modes = { folder: 0o700, file: 0o600 }
    handOver(credsDir, manifestFor(broker.operator, users, generation), users, modes, 'current.json')
    return { admin, worker }
  }
  return {
    ...{ broker, own, operator, install },
    async configuration(messaging = {}) {
      made += 1
      const folder = join(broker.folder, `orchestrator-${made}`)
      mkdirSync(folder)
      const credsDir = join(folder, 'nats-creds')
      await install(credsDir, 1)
      return {
        node: 'orchestrator',
        host: HOST,
        listen: { local: `127.0.0.1:${await freePort()}` },
        tls: { cert: own.certFile, key: own.keyFile },
        trustDomain: { name: 'somebiz', ca: broker.authority.file },
        operators: ['operator.somebiz.local.io'],
        storage: { path: join(folder, 'state', 'state.sqlite') },
        decisionLog: join(folder, 'decisions.jsonl'),
        messaging: { server: broker.server, credsDir, hosts: ['host-1', 'host-2'], ...messaging },
      }
    },
    [Symbol.asyncDispose]: () => broker[Symbol.asyncDispose](),
  }
}

/** A secret file of 0600. */
export function secretFile(path: string, text: string, mode = 0o600): string {
  writeFileSync(path, text)
  chmodSync(path, mode)
  return path
}
