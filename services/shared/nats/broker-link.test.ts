import '../testing/loopback-names.ts'
import type { NatsConnection } from '@nats-io/transport-node'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import type { TestIdentity } from '../testing/certificates.ts'
import { until } from '../testing/service-process.ts'
import { BrokerRefused } from './broker-connection.ts'
import { BrokerLink, BrokerUnavailable, type LinkOptions } from './broker-link.ts'
import { type TestBroker, testBroker } from './testing/broker.ts'
import type { TestUser } from './testing/operator.ts'

// A link over a real broker that goes away, comes back, and lets go of users; and its back-off, whose time passes when the test says so.

vi.setConfig({ testTimeout: 60_000 })

const log = { info() {}, warn() {}, error() {} }
const retry = { initialMs: 20, maximumMs: 100 }
let broker: TestBroker
let identity: TestIdentity

beforeAll(async () => {
  broker = await testBroker()
  identity = await broker.identity('orchestrator.somebiz.local.io')
}, 300_000)
afterAll(() => broker[Symbol.asyncDispose]())

async function linkOf(user: () => TestUser, options: Partial<LinkOptions> = {}): Promise<BrokerLink & AsyncDisposable> {
  const open = () => broker.login(user(), identity, '_INBOX.orchestrator')
  const link = new BrokerLink({ name: 'work', open, retry, log, ...options })
  link.start()
  return Object.assign(link, { [Symbol.asyncDispose]: () => link.close() })
}

const isUp = (link: BrokerLink) => () => link.state().state === 'connected'

test('a broker that comes back is found again, and until then nothing is sent', async () => {
  const worker = await broker.operator.user('orchestrator_user')
  await using link = await linkOf(() => worker)
  await until(isUp(link), 'the link')
  expect(await link.use(async (connection) => connection.isClosed())).toBe(false)

  await broker.stop()
  await until(() => link.state().lastError === 'broker_unreachable', 'the end of the connection')
  await expect(link.use(async () => 1)).rejects.toBeInstanceOf(BrokerUnavailable)
  await broker.start()

  await until(isUp(link), 'the link to come back')
  expect(link.state().lastError).toBeUndefined()
})

test('other credentials are in use before those before are let go, and work that was begun ends where it began', async () => {
  const users = [await broker.operator.user('orchestrator_user'), await broker.operator.user('orchestrator_user')]
  let at = 0
  const up: NatsConnection[] = []
  await using link = await linkOf(() => users[at] as TestUser, { onUp: (connection) => void up.push(connection) })
  await until(isUp(link), 'the link')
  let finish = (): void => {}
  const work = link.use(async (connection) => {
    await new Promise<void>((resolve) => {
      finish = resolve
    })
    await connection.flush()
    return connection
  })

  at = 1
  link.renew()
  await until(() => up.length === 2, 'the next connection')

  expect(link.connection).toBe(up[1])
  expect(up[0]?.isClosed()).toBe(false)
  finish()
  expect(await work).toBe(up[0])
  await until(() => up[0]?.isClosed() === true, 'the one before to be drained')
  expect(link.state().state).toBe('connected')
})

test('credentials that end are told apart from those that were revoked, and newer ones are enough to come back', async () => {
  const short = await broker.operator.user('orchestrator_user', { exp: Math.floor(Date.now() / 1000) + 2 })
  const lasting = await broker.operator.user('orchestrator_user')
  const next = await broker.operator.user('orchestrator_user')
  let user = lasting
  await using ending = await linkOf(() => short)
  await using link = await linkOf(() => user)
  await until(isUp(link), 'the link')
  const revocations = { [lasting.key.getPublicKey()]: Math.floor(Date.now() / 1000) + 1 }
  await broker.push(await broker.operator.account('WORKLOAD', { revocations }))

  await until(() => link.state().lastError === 'credentials_revoked', 'the revocation')
  const before = broker.log().length
  await until(() => broker.log().slice(before).includes('User authentication revoked'), 'another attempt')
  expect(link.state()).toMatchObject({ state: 'connecting', lastError: 'credentials_revoked' })
  user = next
  link.renew()

  await until(isUp(link), 'the link with newer credentials')
  // After that the broker tells the same to everybody, and it is still known why.
  await until(() => ending.state().lastError === 'credentials_expired', 'the end')
  const refused = () => broker.log().split('Authentication Failure').length
  const seen = refused()
  await until(() => refused() > seen + 1, 'more attempts')
  expect(ending.state()).toMatchObject({ state: 'connecting', lastError: 'credentials_expired' })
})

test('attempts grow apart, up to a bound, and what has changed is tried at once', async () => {
  const waits: number[] = []
  let act = (): void => {}
  let opened = 0
  const refused: string[] = []
  const link = new BrokerLink({
    ...{ name: 'work', log, retry: { initialMs: 250, maximumMs: 5_000 }, random: () => 1 },
    async open() {
      opened += 1
      throw opened === 3 ? new BrokerRefused('broker.self', 'permissions_unexpected') : new Error('nobody there')
    },
    onRefused: ({ reason }) => void refused.push(reason),
    after(ms, then) {
      waits.push(ms)
      act = then
      return { close() {} }
    },
  })
  link.start()
  for (let failures = 1; failures <= 7; failures += 1) {
    await vi.waitFor(() => expect(waits).toHaveLength(failures))
    if (failures === 3) expect(link.state().lastError).toBe('permissions_unexpected')
    act()
  }
  await vi.waitFor(() => expect(waits).toHaveLength(8))

  expect(waits).toEqual([300, 600, 1200, 2400, 4800, 6000, 6000, 6000])
  expect(refused).toEqual(['permissions_unexpected'])
  link.renew()
  await vi.waitFor(() => expect(waits).toHaveLength(9))
  expect(waits.at(-1)).toBe(300)
  await link.close()
})
