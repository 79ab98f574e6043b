import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { basename, join } from 'node:path'
import { jetstreamManager } from '@nats-io/jetstream'
import type { TestIdentity } from '../../testing/certificates.ts'
import { type TestIssuer, testIssuer } from '../../testing/issuer.ts'
import { freePort } from '../../testing/service-process.ts'
import { USER_NAMES, USERS } from '../roles.ts'
import { credsPath, LOCAL_KEYS, type SetupRecord } from '../setup-record.ts'
import { BROKER_HOST, type TestBroker, testBroker } from './broker.ts'
import { handOver, manifestFor, seedOf, signerOf, type TestUser } from './operator.ts'

/** A broker whose setup is on disk, an auth server, and what a callout and an agent need. */
export interface CalloutSite extends AsyncDisposable {
  readonly broker: TestBroker
  readonly issuer: TestIssuer
  readonly setup: SetupRecord
  readonly sentinel: TestUser
  callout(change?: object): Promise<Record<string, unknown> & { decisionLog: string; listen: { local: string } }>
  agent(host: string, change?: object): Promise<AgentConfiguration>
  /** What an auth server mints for a host over its certificate. */
  token(host: string, identity: TestIdentity, claims?: object): Promise<string>
  hostIdentity(host: string): Promise<TestIdentity>
  /** As the orchestrator makes it: the stream, and consumers for these hosts. */
  stream(hosts: readonly string[]): Promise<void>
  /** Commands, as the orchestrator publishes them. */
  /** How long the broker waits before it sends a command again. */
  waitsForAcknowledgement(host: string, ms: number): Promise<void>
  command(host: string, ...ids: string[]): Promise<void>
}

export interface AgentConfiguration extends Record<string, unknown> {
  decisionLog: string
  tokenFile: string
  credsDir: string
  listen: { local: string }
  storage: { path: string }
  identity: TestIdentity
}

export async function calloutSite(): Promise<CalloutSite> {
  const broker = await testBroker()
  const { folder, operator, authority } = broker
  const issuer = await testIssuer(authority, 'auth.somebiz.local.io')
  const users = Object.fromEntries(
    await Promise.all(USER_NAMES.map(async (name) => [name, await operator.user(name)] as const)),
  ) as Record<(typeof USER_NAMES)[number], TestUser>
  const own = await broker.identity(BROKER_HOST)
  const setup = setupOf(broker, users)
  const keysDir = join(folder, 'local-keys')
  const secret = (name: string, text: string): void => writeFileSync(join(keysDir, name), text, { mode: 0o600 })
  mkdirSync(keysDir, { mode: 0o700 })
  writeFileSync(join(folder, 'setup.json'), JSON.stringify(setup))
  secret(LOCAL_KEYS.response, seedOf(operator.accounts.AUTH.signer))
  secret(LOCAL_KEYS.hostRole, seedOf(operator.accounts.WORKLOAD.roles.get('host_role')!))
  secret(LOCAL_KEYS.curve, seedOf(operator.curve))
  for (const name of ['callout_user', 'sys_kick'] as const) secret(basename(credsPath(name)), users[name].creds)
  let made = 0
  const hostIdentity = (host: string) => broker.identity(`${host}.somebiz.local.io`)
  const token: CalloutSite['token'] = (host, { x5t }, claims = {}) =>
    issuer.token({
      ...{ sub: host, aud: `https://${BROKER_HOST}`, scope: 'nats:connect', cnf: { 'x5t#S256': x5t } },
      ...claims,
    })
  const asOrchestrator = async () =>
    broker.login(users.orchestrator_user, await broker.identity('orchestrator.somebiz.local.io'), '_INBOX.orchestrator')
  return {
    ...{ broker, issuer, setup, hostIdentity, token, sentinel: users.auth_guard },
    async callout(change = {}) {
      made += 1
      return {
        ...{ node: 'nats-1', host: BROKER_HOST, server: broker.server },
        tls: { cert: own.certFile, key: own.keyFile, ca: authority.file },
        listen: { local: `127.0.0.1:${await freePort()}` },
        ...{ setupFile: join(folder, 'setup.json'), keysDir },
        auth: { issuer: issuer.url },
        validation: { mode: 'both', introspectionCacheMs: 0 },
        hosts: { 'host-1': { host: 'host-1.somebiz.local.io' }, 'host-2': { host: 'host-2.somebiz.local.io' } },
        recheckMs: 200,
        decisionLog: join(folder, `callout-${made}.jsonl`),
        ...change,
      }
    },
    async agent(host, change = {}) {
      made += 1
      const home = join(folder, `agent-${made}`)
      const credsDir = join(home, 'nats-creds')
      mkdirSync(home)
      mkdirSync(credsDir)
      const sentinel = [users.auth_guard]
      const modes = { folder: 0o700, file: 0o600 }
      handOver(credsDir, manifestFor(operator, sentinel), sentinel, modes, 'current.json')
      const identity = await hostIdentity(host)
      const tokenFile = join(home, 'token')
      writeFileSync(tokenFile, `${await token(host, identity)}\n`)
      chmodSync(tokenFile, 0o600)
      return {
        ...{ node: host, server: broker.server, credsDir, tokenFile, identity },
        tls: { cert: identity.certFile, key: identity.keyFile, ca: authority.file },
        listen: { local: `127.0.0.1:${await freePort()}` },
        storage: { path: join(home, 'state', 'ledger.db') },
        decisionLog: join(home, 'decisions.jsonl'),
        retry: { initialMs: 50, maximumMs: 400 },
        ...change,
      }
    },
    async stream(hosts) {
      const connection = await asOrchestrator()
      const manager = await jetstreamManager(connection, { checkAPI: false })
      await manager.streams.add({ name: 'WORKLOAD', subjects: ['WORKLOAD.*.cmd.>'] })
      for (const name of hosts) {
        const filter_subject = `WORKLOAD.${name}.cmd.>`
        const waits = { ack_policy: 'explicit' as never, ack_wait: 2e9, max_ack_pending: 256 }
        await manager.consumers.add('WORKLOAD', { name, durable_name: name, filter_subject, ...waits })
      }
      await connection.close()
    },
    async waitsForAcknowledgement(host, ms) {
      const connection = await asOrchestrator()
      const manager = await jetstreamManager(connection, { checkAPI: false })
      await manager.consumers.update('WORKLOAD', host, { ack_wait: ms * 1e6 })
      await connection.close()
    },
    async command(host, ...ids) {
      const connection = await asOrchestrator()
      for (const id of ids) {
        const text = JSON.stringify({ id, verb: 'apply', args: { id } })
        await connection.request(`WORKLOAD.${host}.cmd.apply`, text, { timeout: 5_000 })
      }
      await connection.close()
    },
    async [Symbol.asyncDispose]() {
      await issuer[Symbol.asyncDispose]()
      await broker[Symbol.asyncDispose]()
    },
  }
}

function setupOf({ operator }: TestBroker, users: Record<string, TestUser>): SetupRecord {
  const { accounts } = operator
  const publicOf = (name: keyof typeof accounts): string => accounts[name].key.getPublicKey()
  const record = ({ name, key, exp }: TestUser) => ({
    ...{ key: key.getPublicKey(), account: publicOf(USERS[name].account), role: USERS[name].role ?? null },
    signer: signerOf(operator, name).getPublicKey(),
    ...{ expiresAt: new Date(exp * 1000).toISOString(), previous: [] },
  })
  return {
    ...{ version: 2, generation: 1, issuedAt: new Date().toISOString() },
    operator: { name: operator.name, key: operator.key.getPublicKey() },
    accounts: {
      SYS: publicOf('SYS'),
      ADMIN: publicOf('ADMIN'),
      AUTH: publicOf('AUTH'),
      WORKLOAD: publicOf('WORKLOAD'),
    },
    users: Object.fromEntries(
      Object.entries(users).map(([name, user]) => [name, record(user)]),
    ) as unknown as SetupRecord['users'],
    keys: {
      response: accounts.AUTH.signer.getPublicKey(),
      hostRole: accounts.WORKLOAD.roles.get('host_role')?.getPublicKey() ?? '',
      curve: operator.curve.getPublicKey(),
    },
  }
}

/** What `/readyz` of a service says: `ready`, or the reason; undefined where nobody answers. */
export function readiness(site: CalloutSite, local: string, host: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const port = Number(local.slice(local.lastIndexOf(':') + 1))
    const call = request({
      host: '127.0.0.1',
      port,
      servername: host,
      ca: site.broker.authority.pem,
      path: '/readyz',
      agent: false,
    })
    call.on('response', async (response) => {
      let text = ''
      for await (const chunk of response) text += String(chunk)
      const { status, reason } = JSON.parse(text) as { status: string; reason?: string }
      resolve(reason ?? status)
    })
    call.on('error', () => resolve(undefined))
    call.end()
  })
}
