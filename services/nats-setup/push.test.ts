import { once } from 'node:events'
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { type AddressInfo, connect, createServer } from 'node:net'
import { join } from 'node:path'
import { createUser, encodeUser } from '@nats-io/jwt'
import { jwtAuthenticator, type NatsConnection } from '@nats-io/transport-node'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ROLES } from '../shared/nats/roles.ts'
import { testAuthority } from '../shared/testing/certificates.ts'
import { canFreezeFiles, freezeFiles } from '../shared/testing/full-disk.ts'
import { accountClaims } from './claims.ts'
import { pushAll } from './revoke.ts'
import { nscOf } from './setup.ts'
import { type Login, login, loginAs, startBroker, type TestBroker } from './testing/broker.ts'
import { impatientNsc, type TestSetup, testSetup } from './testing/setup.ts'

let made: TestSetup
let broker: TestBroker
beforeAll(async () => {
  made = await testSetup()
  broker = await startBroker(made.configuration)
})
afterAll(async () => {
  await broker[Symbol.asyncDispose]()
  made[Symbol.dispose]()
})

test('before the push only SYS can log in; after it every user can, and it says what it pushed', async () => {
  await expect(loginAs(broker, 'orchestrator_user')).rejects.toThrow(/authorization violation/i)
  await using _sys = await loginAs(broker, 'sys')

  expect(await pushAll(broker.configuration)).toEqual({ pushed: ['ADMIN', 'AUTH', 'WORKLOAD'], there: ['SYS'] })
  for (const user of ['orchestrator_user', 'admin_user', 'callout_user', 'sys_kick'] as const) {
    await using _user = await loginAs(broker, user)
  }
})

test('what the broker has already is not pushed again', async () => {
  expect(await pushAll(broker.configuration)).toEqual({ pushed: [], there: ['SYS', 'ADMIN', 'AUTH', 'WORKLOAD'] })
})

test('a command of admin comes over to the stream of the orchestrator', async () => {
  await using admin = await loginAs(broker, 'admin_user')
  await using orchestrator = await loginAs(broker, 'orchestrator_user')
  const stream = { name: 'WORKLOAD', subjects: ['WORKLOAD.*.cmd.>'], storage: 'file', num_replicas: 1 }
  const created = await orchestrator.connection.request('$JS.API.STREAM.CREATE.WORKLOAD', JSON.stringify(stream))
  expect(created.json()).toMatchObject({ config: { name: 'WORKLOAD' } })

  // The first stays in ADMIN: no other subject comes over.
  admin.connection.publish('WORKLOAD.host-1.status', 'first')
  admin.connection.publish('WORKLOAD.host-1.cmd.run', 'second')
  await admin.connection.flush()
  const messages = () => messagesIn(orchestrator.connection)
  await expect.poll(messages, { timeout: 5_000, interval: 20 }).toBe(1)
})

async function messagesIn(connection: NatsConnection): Promise<number> {
  const info = await connection.request('$JS.API.STREAM.INFO.WORKLOAD')
  return info.json<{ state: { messages: number } }>().state.messages
}

test('what a host says comes over to admin, for that host alone', async () => {
  await using admin = await loginAs(broker, 'admin_user')
  await using host = await asHost('host-1')
  const heard: string[] = []
  for (const subject of ['INVENTORY.>', 'WORKLOAD.>']) {
    admin.connection.subscribe(subject, { callback: (_, message) => void heard.push(message.subject) })
  }
  await admin.connection.flush()

  for (const name of ['host-2', 'host-1']) {
    host.connection.publish(`INVENTORY.${name}.update`)
    host.connection.publish(`WORKLOAD.${name}.status`)
  }
  await host.connection.flush()
  await expect
    .poll(() => heard, { timeout: 5_000, interval: 20 })
    .toEqual(['INVENTORY.host-1.update', 'WORKLOAD.host-1.status'])
})

/** As the auth callout lets a host in: with the key of the role. */
async function asHost(name: string): Promise<Login> {
  const { stateDir } = broker.configuration
  const signer = readFileSync(join(stateDir, 'local-keys/host_role.nk'), 'utf8').trim()
  const user = createUser()
  const claims = { issuer_account: made.setUp.record.accounts.WORKLOAD, tags: [`host:${name}`] }
  const jwt = await encodeUser(name, user, new TextEncoder().encode(signer), claims, { scopedUser: true })
  return login(broker, jwtAuthenticator(jwt, user.getSeed()), ROLES.host_role.inbox.replace('{{tag(host)}}', name))
}

test('the user that kicks may do nothing else, and the one of the callout only answers', async () => {
  await using kick = await loginAs(broker, 'sys_kick')
  await using callout = await loginAs(broker, 'callout_user')
  await using sys = await loginAs(broker, 'sys')
  const refused: string[] = []
  for (const { connection } of [kick, callout]) watch(connection, refused)
  const heard: string[] = []
  sys.connection.subscribe('$SYS.REQ.>', { callback: (_, message) => void heard.push(message.subject) })
  await sys.connection.flush()

  kick.connection.publish('$SYS.REQ.CLAIMS.DELETE')
  kick.connection.subscribe('$SYS.>')
  kick.connection.publish('$SYS.REQ.SERVER.X.KICK')
  callout.connection.publish('any')
  callout.connection.subscribe('any')
  callout.connection.subscribe('$SYS.REQ.USER.AUTH')
  await Promise.all([kick.connection.flush(), callout.connection.flush()])

  await expect
    .poll(() => [...refused].sort(), { timeout: 5_000, interval: 20 })
    .toEqual(['publish $SYS.REQ.CLAIMS.DELETE', 'publish any', 'subscription $SYS.>', 'subscription any'])
  await expect.poll(() => heard, { timeout: 5_000, interval: 20 }).toEqual(['$SYS.REQ.SERVER.X.KICK'])
})

/** Notes what the broker refuses a connection, until it ends. */
async function watch(connection: NatsConnection, refused: string[]): Promise<void> {
  for await (const status of connection.status()) {
    if (status.type !== 'error') continue
    const { operation, subject } = status.error as { operation?: string; subject?: string }
    refused.push(`${operation} ${subject}`)
  }
}

test('claims that are older than those of the broker are not pushed', async () => {
  const older = made.copy({ broker: broker.configuration.broker })
  const nsc = nscOf(made.configuration)
  await untilNextSecond((await accountClaims(nsc, 'ADMIN')).claims.iat)
  await nsc.run(['edit', 'account', '--name', 'ADMIN', '--description', 'changed', '--disallow-bearer'])
  expect(await pushAll(broker.configuration)).toMatchObject({ pushed: ['ADMIN'] })

  await expect(pushAll(older)).rejects.toMatchObject({
    code: 'claims_older',
    message: 'the broker has newer claims of ADMIN than this store; bring the newest store here, nothing was pushed',
  })
  expect(await pushAll(broker.configuration)).toMatchObject({ pushed: [] })
})

/** Claims are dated to the second. */
async function untilNextSecond(seconds: number): Promise<void> {
  const isOver = () => Date.now() >= (seconds + 1) * 1000
  await expect.poll(isOver, { timeout: 2_000, interval: 20 }).toBe(true)
}

test('a resolver that lost its claims gets them again', async () => {
  const { resolverDir } = broker.configuration
  await broker.restart(() => rmSync(resolverDir, { recursive: true }))
  await expect(loginAs(broker, 'orchestrator_user')).rejects.toThrow(/authorization violation/i)

  expect(await pushAll(broker.configuration)).toMatchObject({ pushed: ['ADMIN', 'AUTH', 'WORKLOAD'] })
  await using _user = await loginAs(broker, 'orchestrator_user')
})

test('a broker that does not answer in time is waited for longer, once, and one that refuses is not', async () => {
  const { resolverDir, nsc, stateDir } = broker.configuration
  const [slow, closed] = ['nats: timeout', 'nats: permissions violation'].map((reason) =>
    impatientNsc(join(stateDir, '..'), nsc, reason),
  )
  const times = (of: typeof slow) => of!.pushes().map((line) => / --timeout (\d+) /.exec(line)?.[1])
  await broker.restart(() => rmSync(join(resolverDir, `${made.setUp.record.accounts.ADMIN}.jwt`)))

  const refused = pushAll({ ...broker.configuration, nsc: closed!.nsc })
  await expect(refused).rejects.toThrow('permissions violation')
  expect(times(closed)).toEqual(['1'])
  expect(await pushAll({ ...broker.configuration, nsc: slow!.nsc })).toMatchObject({ pushed: ['ADMIN'] })
  expect(times(slow)).toEqual(['1', '5'])
})

test.runIf(canFreezeFiles)('a resolver that cannot keep claims is told, with the account that it lacks', async () => {
  const { resolverDir } = broker.configuration
  const file = join(resolverDir, `${made.setUp.record.accounts.ADMIN}.jwt`)
  await broker.restart(() => rmSync(file))
  freezeFiles([resolverDir], true)
  try {
    await expect(pushAll(broker.configuration)).rejects.toMatchObject({
      code: 'push_incomplete',
      message: expect.stringMatching(
        /^the broker does not have the claims of ADMIN: nsc push --account ADMIN .* exit status 1/,
      ),
    })
  } finally {
    freezeFiles([resolverDir], false)
  }
  expect(await pushAll(broker.configuration)).toMatchObject({ pushed: ['ADMIN'] })
})

test('a broker that cannot read its claims is told, with the account', async () => {
  const { resolverDir } = broker.configuration
  const file = join(resolverDir, `${made.setUp.record.accounts.ADMIN}.jwt`)
  await broker.restart(() => {
    rmSync(file)
    mkdirSync(file)
  })

  await expect(pushAll(broker.configuration)).rejects.toThrow('cannot be asked (timeout, about the claims of ADMIN)')
  rmSync(file, { recursive: true })
  expect(await pushAll(broker.configuration)).toMatchObject({ pushed: ['ADMIN'] })
})

test.each<[string, () => Promise<object>, RegExp]>([
  ['is down', async () => ({ url: 'tls://localhost:1' }), /tls:\/\/localhost:1 cannot be asked \(.*ECONNREFUSED/],
  [
    'is of another CA',
    async () => ({ ca: (await testAuthority(join(broker.configuration.stateDir, '..'), 'other')).file }),
    /cannot be asked \(.*(certificate|chain)/i,
  ],
])('a broker that %s is not pushed to', async (_, change, message) => {
  const configuration = { ...broker.configuration, broker: { ...broker.configuration.broker, ...(await change()) } }

  await expect(pushAll(configuration as typeof broker.configuration)).rejects.toMatchObject({
    code: 'broker_unreachable',
    message: expect.stringMatching(message),
  })
})

/** Stands before the broker, and resets the first connections amid their handshakes. */
async function cuttingOff(count: number) {
  const { port } = new URL(broker.url)
  let came = 0
  const server = createServer((client) => {
    came += 1
    const isCut = came <= count
    const far = connect(Number(port), 'localhost')
    far.pipe(client)
    // The first that a client says is of its handshake.
    client.once('data', (bytes) => {
      if (isCut) client.resetAndDestroy()
      else {
        far.write(bytes)
        client.pipe(far)
      }
    })
    for (const [one, other] of [
      [client, far],
      [far, client],
    ] as const) {
      one.on('error', () => {}).on('close', () => other.destroy())
    }
  })
  await once(server.listen(0, 'localhost'), 'listening')
  const url = `tls://localhost:${(server.address() as AddressInfo).port}`
  const configuration = { ...broker.configuration, broker: { ...broker.configuration.broker, url } }
  return {
    configuration: configuration as typeof broker.configuration,
    came: () => came,
    [Symbol.dispose]: () => void server.close(),
  }
}

test('who is cut off in the handshake, as on a machine that starves, tries again, and not for ever', async () => {
  using twice = await cuttingOff(2)
  expect(await pushAll(twice.configuration)).toMatchObject({ there: ['SYS', 'ADMIN', 'AUTH', 'WORKLOAD'] })
  expect(twice.came()).toBe(3)

  using always = await cuttingOff(Number.POSITIVE_INFINITY)
  await expect(pushAll(always.configuration)).rejects.toMatchObject({ code: 'broker_unreachable' })
  expect(always.came()).toBe(3)
})
