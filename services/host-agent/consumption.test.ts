import '../shared/testing/loopback-names.ts'
import { join } from 'node:path'
import { jetstreamManager } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import type { Log } from '../shared/log.ts'
import { connectBroker } from '../shared/nats/broker-connection.ts'
import { readCreds } from '../shared/nats/creds-text.ts'
import { roleFor } from '../shared/nats/roles.ts'
import { type CalloutSite, calloutSite } from '../shared/nats/testing/callout-site.ts'
import { StorageUnavailable } from '../shared/sqlite.ts'
import { startService, type TestService, until } from '../shared/testing/service-process.ts'
import { Consumption } from './consumption.ts'
import { type Ledger, openLedger } from './ledger.ts'

// Real commands of a real broker, and a disk that takes its time.

vi.setConfig({ testTimeout: 60_000 })

let site: CalloutSite
let callout: TestService
let admin: NatsConnection
const told: string[] = []

beforeAll(async () => {
  site = await calloutSite()
  callout = await startService('auth-callout', site.broker.folder, await site.callout())
  await site.stream(['host-1', 'host-2'])
  const own = await site.broker.identity('orchestrator.somebiz.local.io')
  admin = await site.broker.login(await site.broker.operator.user('admin_user'), own, '_INBOX.admin')
  admin.subscribe('WORKLOAD.*.status', { callback: (_, message) => void told.push(message.json<{ id: string }>().id) })
}, 300_000)
afterAll(async () => {
  await admin.close()
  await callout[Symbol.asyncDispose]()
  await site[Symbol.asyncDispose]()
})

async function loggedIn(host: string): Promise<NatsConnection> {
  const identity = await site.hostIdentity(host)
  const token = await site.token(host, identity)
  const login = { creds: readCreds(site.sentinel.creds)!, token, inbox: roleFor('host_role', host).inbox, name: host }
  let connection: NatsConnection | undefined
  await until(async () => {
    connection = await connectBroker(site.broker.target(identity), login).catch(() => undefined)
    return connection !== undefined
  }, 'the callout to let the host in')
  return connection!
}

/** A ledger whose disk is waited for until the test says how that ends. */
async function consuming(host: string) {
  const connection = await loggedIn(host)
  const ledger = openLedger(join(site.broker.folder, `${host}-state`, 'ledger.db'))
  const applied: number[] = []
  const waits: PromiseWithResolvers<void>[] = []
  const slow: Ledger = {
    ...ledger,
    apply(commands, now) {
      applied.push(commands.length)
      return ledger.apply(commands, now)
    },
    onDisk() {
      const wait = Promise.withResolvers<void>()
      waits.push(wait)
      return wait.promise
    },
  }
  const errors: string[] = []
  const log = { warn: () => {}, error: (event: string) => void errors.push(event) } as unknown as Log
  const consumption = await Consumption.start(connection, { host, ledger: slow, log, now: Date.now })
  const manager = await jetstreamManager(connection, { checkAPI: false })
  const unacknowledged = async () => (await manager.consumers.info('WORKLOAD', host)).num_ack_pending
  return { connection, consumption, ledger, applied, waits, errors, unacknowledged }
}

test('a command is acknowledged and told once it is on the disk, and what comes meanwhile is one transaction', async () => {
  const { consumption, ledger, applied, waits, unacknowledged } = await consuming('host-1')
  await site.command('host-1', 'first')
  await until(() => waits.length === 1, 'the disk to be waited for')
  await site.command('host-1', 'second', 'third')
  await until(async () => (await unacknowledged()) === 3, 'all to be on their way')

  expect([applied, told]).toEqual([[1], []])
  waits[0]?.resolve()
  await until(() => waits.length === 2, 'the disk to be waited for again')
  await until(async () => (await unacknowledged()) === 2, 'the first to be acknowledged')
  await until(() => told.length === 1, 'its status')
  expect([applied, told]).toEqual([[1, 2], ['first']])
  waits[1]?.resolve()
  await until(async () => (await unacknowledged()) === 0, 'all to be acknowledged')
  await until(() => told.length === 3, 'all of them')
  expect(told).toEqual(['first', 'second', 'third'])
  await Promise.all([consumption.stop(), consumption.stop()])
  ledger.close()
})

test('what the disk does not take is not acknowledged, and nothing after it is applied', async () => {
  const { connection, ledger, applied, waits, errors } = await consuming('host-2')
  const before = told.length
  await site.command('host-2', 'lost')
  await until(() => waits.length === 1, 'the disk to be waited for')
  await site.command('host-2', 'after')
  waits[0]?.reject(new StorageUnavailable(new Error('no space')))
  await connection.closed()

  expect([applied, errors, told.length - before]).toEqual([[1], ['commands-not-applied'], 0])
  ledger.close()
  // To somebody whose disk takes them both come, and the one that is known already is acknowledged and told like the other.
  const next = await consuming('host-2')
  await until(() => next.waits.length > 0, 'it to come again')
  await until(async () => {
    for (const wait of next.waits) wait.resolve()
    return (await next.unacknowledged()) === 0 && told.length === before + 2
  }, 'both to be acknowledged')
  expect(told.slice(before)).toEqual(['lost', 'after'])
  await next.consumption.stop()
  next.ledger.close()
})
