import '../testing/loopback-names.ts'
import { createServer, type Server } from 'node:net'
import { createUser } from '@nats-io/nkeys'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { selfSignedIdentity, type TestIdentity, testAuthority } from '../testing/certificates.ts'
import {
  BrokerRefused,
  type BrokerTarget,
  connectBroker,
  drained,
  type UserInfo,
  userInfo,
} from './broker-connection.ts'
import { brokerSelf, demandSelf, type ExpectedSelf } from './broker-self.ts'
import { brokerTarget } from './broker-target.ts'
import { readCreds } from './creds-text.ts'
import { roleFor } from './roles.ts'
import { BROKER_HOST, type TestBroker, testBroker } from './testing/broker.ts'
import type { TestUser } from './testing/operator.ts'

// A real broker, and each reason for which we do not log in at one, or do not believe that we are who we wanted to be.

vi.setConfig({ testTimeout: 60_000 })

let broker: TestBroker
let identity: TestIdentity
let worker: TestUser

beforeAll(async () => {
  broker = await testBroker()
  identity = await broker.identity('orchestrator.somebiz.local.io')
  worker = await broker.operator.user('orchestrator_user')
}, 300_000)
afterAll(() => broker[Symbol.asyncDispose]())

function expectedOf(user: TestUser) {
  const { publish, subscribe } = roleFor('orchestrator_role')
  const account = broker.operator.accounts.WORKLOAD.key.getPublicKey()
  return { publish, subscribe, account, user: user.key.getPublicKey() }
}

async function outcome(
  target: Partial<BrokerTarget>,
  user = worker,
  expected: ExpectedSelf = expectedOf(user),
): Promise<string> {
  const creds = readCreds(user.creds)!
  try {
    const login = { creds, inbox: '_INBOX.orchestrator', name: 'test' }
    const connection = await connectBroker({ ...broker.target(identity), ...target }, login)
    try {
      await demandSelf(connection, expected, 5_000)
    } finally {
      await connection.close()
    }
    return 'connected'
  } catch (failure) {
    return failure instanceof BrokerRefused ? `${failure.guard} ${failure.reason}` : String((failure as Error).message)
  }
}

test('it logs in, from the address that it is told, and is who it wanted to be', async () => {
  const connection = await connectBroker(
    { ...broker.target(identity), localAddress: '127.0.0.9' },
    { creds: readCreds(worker.creds)!, inbox: '_INBOX.orchestrator', name: 'test' },
  )

  const info = await userInfo(connection, 2_000)

  expect(info).toMatchObject({ user: worker.key.getPublicKey(), account: expectedOf(worker).account })
  expect(broker.log()).toContain('127.0.0.9:')
  await connection.close()
})

test.each<[string, () => Promise<Partial<BrokerTarget>>]>([
  ['connected', async () => ({})],
  ['broker.target endpoint_plaintext', async () => ({ server: broker.server.replace('tls:', 'nats:') })],
  ['broker.target server_name_mismatch', async () => ({ server: broker.server.replace('nats-1', 'nats-2') })],
  ['broker.target server_untrusted', async () => ({ ca: [(await testAuthority(broker.folder, 'other')).pem] })],
])('%s', async (expected, change) => {
  const logins = () => broker.log().split('Client connection created').length
  const before = logins()

  expect(await outcome(await change())).toBe(expected)
  if (expected.endsWith('plaintext')) expect(logins()).toBe(before)
})

test('a broker without TLS gets no login', async () => {
  const got: string[] = []
  const plain: Server = createServer((socket) => {
    socket.write(
      'INFO {"server_id":"N","version":"2.15.2","nonce":"abc","proto":1,"headers":true,"max_payload":1024}\r\n',
    )
    socket.on('data', (bytes) => got.push(String(bytes)))
    socket.on('error', () => {})
  })
  await new Promise<void>((resolve) => plain.listen(0, '127.0.0.1', resolve))
  const { port } = plain.address() as { port: number }

  expect(await outcome({ server: `tls://${BROKER_HOST}:${port}` })).toBe('broker.target endpoint_plaintext')

  expect(got).toEqual([])
  await new Promise((resolve) => plain.close(resolve))
})

test('a client certificate of somebody else is refused by the broker itself', async () => {
  const other = await selfSignedIdentity(broker.folder, { sans: ['orchestrator.somebiz.local.io'] })

  expect(await outcome({ cert: other.cert, key: other.key })).not.toMatch(/connected|broker\./)
})

test('credentials that end, that were changed, or that are of another operator are refused by the broker', async () => {
  const ended = await broker.operator.user('orchestrator_user', { exp: Math.floor(Date.now() / 1000) - 5 })
  const strange = await broker.operator.user('orchestrator_user', { account: broker.operator.accounts.ADMIN.key })

  expect(await outcome({}, ended)).toBe('Authorization Violation')
  expect(await outcome({}, strange)).toBe('Authorization Violation')
})

test('who we are is compared whole: account, user, and all that we may do', async () => {
  const right = expectedOf(worker)
  const more = [...right.publish, 'ADMIN.>']
  const other = createUser().getPublicKey()

  expect(await outcome({}, worker, right)).toBe('connected')
  expect(await outcome({}, worker, { ...right, account: other })).toBe('broker.self account_unexpected')
  expect(await outcome({}, worker, { ...right, user: other })).toBe('broker.self permissions_unexpected')
  expect(await outcome({}, worker, { ...right, publish: more })).toBe('broker.self permissions_unexpected')
  expect(await outcome({}, worker, { ...right, publish: right.publish.slice(1) })).toMatch(/permissions_unexpected/)
  expect(await outcome({}, worker, { ...right, subscribe: ['>'] })).toBe('broker.self permissions_unexpected')
})

test('a broker that does not let us ask who we are is not the one that was meant', async () => {
  const { WORKLOAD } = broker.operator.accounts
  const claims = { pub: { deny: ['$SYS.REQ.USER.INFO'] }, subs: -1, data: -1, payload: -1 }
  const mute = await broker.operator.user('orchestrator_user', { signer: WORKLOAD.signer, claims })

  expect(await outcome({}, mute)).toBe('broker.self account_unexpected')
})

test.each<[string, (info: Record<string, unknown>) => UserInfo | undefined]>([
  ['none', (info) => info],
  ['account_unexpected', () => undefined],
  ['permissions_unexpected', (info) => ({ ...info, permissions: null })],
  ['permissions_unexpected', (info) => ({ ...info, permissions: { publish: { allow: ['a'] } } })],
  ['permissions_unexpected', (info) => withPublish(info, { allow: ['a'], deny: ['b'] })],
  ['permissions_unexpected', (info) => withPublish(info, {})],
  ['permissions_unexpected', (info) => ({ ...info, permissions: { ...(info.permissions as object), responses: {} } })],
  ['none', (info) => withPublish(info, { allow: ['a'], deny: [] })],
])('broker.self: %s', (expected, change) => {
  const info = { user: 'U', account: 'A', permissions: { publish: { allow: ['a'] }, subscribe: { allow: ['c', 'b'] } } }
  const wanted = { user: 'U', account: 'A', publish: ['a'], subscribe: ['b', 'c'] }

  const refusal = brokerSelf.check({ expected: wanted, answer: change(info) })

  expect((refusal as { reason: string } | undefined)?.reason ?? 'none').toBe(expected)
})

test.each([
  ['none', {}],
  ['account_unexpected', { account_name: 'AUTH' }],
  ['account_unexpected', { account_name: undefined }],
  ['permissions_unexpected', { user: 'host-2' }],
])('broker.self, of a user that a callout let in: %s', (expected, change) => {
  const { publish, subscribe } = roleFor('host_role', 'host-1')
  const permissions = { publish: { allow: publish }, subscribe: { allow: subscribe } }
  const info = { user: 'host-1', account: 'A', account_name: 'WORKLOAD', permissions }
  const wanted = { user: 'host-1', accountName: 'WORKLOAD', publish, subscribe }

  const refusal = brokerSelf.check({ expected: wanted, answer: { ...info, ...change } })

  expect((refusal as { reason: string } | undefined)?.reason ?? 'none').toBe(expected)
})

test('an address must be an address SAN', () => {
  const server = new URL('tls://127.0.0.1:4222')
  expect(brokerTarget.check({ server })).toBeUndefined()
})

function withPublish(info: Record<string, unknown>, publish: object): UserInfo {
  return { ...info, permissions: { ...(info.permissions as object), publish } }
}

test.each(['is killed', 'says nothing more'])('a drain comes to its end where the broker %s meanwhile', async (how) => {
  const login = { creds: readCreds(worker.creds)!, inbox: '_INBOX.orchestrator', name: 'test' }
  const connection = await connectBroker(broker.target(identity), login)
  connection.subscribe('_INBOX.orchestrator.x')
  await connection.flush()
  broker.pause()
  const end = drained(connection, how === 'is killed' ? 60_000 : 300)
  await new Promise((resolve) => setImmediate(resolve))
  if (how === 'is killed') await broker.stop()

  await end
  expect(connection.isClosed()).toBe(true)
  if (how !== 'is killed') await broker.stop()
  await broker.start()
})
