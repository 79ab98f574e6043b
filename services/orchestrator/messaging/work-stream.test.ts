import { AckPolicy, type JetStreamManager, jetstreamManager, RetentionPolicy, StorageType } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import '../../shared/testing/loopback-names.ts'
import { roleFor } from '../../shared/nats/roles.ts'
import { type TestBroker, testBroker } from '../../shared/nats/testing/broker.ts'
import { prepareStream } from './work-stream.ts'

// Who made the stream before us, and how, decides whether what was answered 202 survives: what cannot be mended is refused.

vi.setConfig({ testTimeout: 60_000 })

let broker: TestBroker
let connection: NatsConnection
let manager: JetStreamManager

beforeAll(async () => {
  broker = await testBroker()
  const claims = { pub: { allow: ['>'] }, sub: { allow: ['>'] }, subs: -1, data: -1, payload: -1 }
  const { signer } = broker.operator.accounts.WORKLOAD
  const user = await broker.operator.user('orchestrator_user', { signer, claims })
  const identity = await broker.identity('orchestrator.somebiz.local.io')
  connection = await broker.login(user, identity, roleFor('orchestrator_role').inbox)
  manager = await jetstreamManager(connection, { checkAPI: false })
}, 120_000)
afterAll(async () => {
  await connection?.close()
  await broker?.[Symbol.asyncDispose]()
})

const settings = {
  stream: { maxAgeSeconds: 3_600, maxBytes: 1_000_000 },
  ...{ hosts: ['host-1'], connectTimeoutMs: 5_000 },
}
const before = { name: 'WORKLOAD', subjects: ['WORKLOAD.*.cmd.>'], max_bytes: 1_000_000 }

test.each([
  ['in memory', { storage: StorageType.Memory }, /storage type/],
  ['a queue', { retention: RetentionPolicy.Workqueue }, /retention policy/],
])('a stream that is %s is not used', async (_, other, message) => {
  await manager.streams.add({ ...before, ...other })
  try {
    const refused = { reason: 'stream_unexpected', message: expect.stringMatching(message) }
    await expect(prepareStream(connection, settings)).rejects.toMatchObject(refused)
  } finally {
    await manager.streams.delete('WORKLOAD')
  }
})

test('a stream that drops old commands for new ones is brought up to date, with its consumers', async () => {
  await manager.streams.add({ ...before, max_msgs: 10, max_msgs_per_subject: 1 })
  await prepareStream(connection, settings)
  await prepareStream(connection, settings)

  const { config } = await manager.streams.info('WORKLOAD')
  expect(config).toMatchObject({ storage: 'file', retention: 'limits', max_msgs: -1, max_msgs_per_subject: -1 })
  expect((await manager.consumers.info('WORKLOAD', 'host-1')).config).toMatchObject({ ack_policy: 'explicit' })
  await manager.streams.delete('WORKLOAD')
})

test('a consumer for which a command is done when it is sent does not stay', async () => {
  await manager.streams.add(before)
  const filter_subject = 'WORKLOAD.host-1.cmd.>'
  await manager.consumers.add('WORKLOAD', { durable_name: 'host-1', filter_subject, ack_policy: AckPolicy.None })
  try {
    const refused = { reason: 'stream_unexpected', message: expect.stringMatching(/ack policy/) }
    await expect(prepareStream(connection, settings)).rejects.toMatchObject(refused)
  } finally {
    await manager.streams.delete('WORKLOAD')
  }
})
