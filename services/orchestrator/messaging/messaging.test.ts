import { copyFileSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { jetstream } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import '../../shared/testing/loopback-names.ts'
import { roleFor } from '../../shared/nats/roles.ts'
import { type Caller, type CallResult, callLocal } from '../testing/caller.ts'
import { HOST, type MessagingSite, type MessagingTestConfiguration, messagingSite } from '../testing/messaging-site.ts'
import {
  decisionsIn,
  freePort,
  spawnOrchestrator,
  startOrchestrator,
  type TestOrchestrator,
  until,
} from '../testing/process.ts'

// Real orchestrators at a real broker: what a command goes through, what changes while they run, and what they refuse.

vi.setConfig({ testTimeout: 120_000 })

let site: MessagingSite

beforeAll(async () => {
  site = await messagingSite()
}, 300_000)
afterAll(() => site[Symbol.asyncDispose]())

interface Running extends AsyncDisposable {
  readonly process: TestOrchestrator
  readonly configuration: MessagingTestConfiguration
  call(method: string, path: string, json?: unknown): Promise<CallResult>
  command(id: string, change?: object): Promise<CallResult>
  state(): Promise<State>
}

interface State {
  node: string
  messaging: {
    work: Record<string, unknown>
    control: Record<string, unknown>
    stream: Record<string, number> | null
    consumers: Record<string, unknown>[] | null
  }
}

async function running(messaging: object = {}, given?: MessagingTestConfiguration, ready = true): Promise<Running> {
  const configuration = given ?? (await site.configuration(messaging))
  const process = await startOrchestrator(site.broker.folder, configuration)
  const caller: Caller = { identity: site.operator, ca: site.broker.authority.pem, host: HOST, port: process.local }
  const call = (method: string, path: string, json?: unknown) => callLocal(caller, method, path, { json })
  if (ready) await until(async () => (await call('GET', '/readyz')).status === 200, 'it to be ready', 30_000)
  return {
    ...{ process, configuration, call },
    command: (id, change = {}) =>
      call('POST', '/v1/commands', { id, host: 'host-1', verb: 'apply', args: { a: 1 }, ...change }),
    state: async () => (await call('GET', '/v1/state')).json as unknown as State,
    [Symbol.asyncDispose]: () => process[Symbol.asyncDispose](),
  }
}

/** As the host itself would log in: with the permissions of its role, and its own inbox. */
async function asHost(host: string): Promise<NatsConnection> {
  const { operator } = site.broker
  const { publish, subscribe, inbox } = roleFor('host_role', host)
  const claims = { pub: { allow: [...publish] }, sub: { allow: [...subscribe] } }
  const worker = {
    signer: operator.accounts.WORKLOAD.signer,
    called: host,
    claims: { ...claims, subs: -1, data: -1, payload: -1 },
  }
  const user = await operator.user('orchestrator_user', worker)
  return site.broker.login(user, await site.broker.identity(`${host}.somebiz.local.io`), inbox)
}

async function fetched(host: string, count: number): Promise<Record<string, unknown>[]> {
  const connection = await asHost(host)
  const consumer = await jetstream(connection).consumers.get('WORKLOAD', host)
  const messages: Record<string, unknown>[] = []
  for await (const message of await consumer.fetch({ max_messages: count, expires: 5_000 })) {
    messages.push({ subject: message.subject, ...message.json<object>() })
    await message.ackAck()
    if (messages.length === count) break
  }
  await connection.close()
  return messages
}

test('a command is answered when the broker has it, once for each id, and its host fetches it', async () => {
  await using orchestrator = await running()
  const before = (await orchestrator.state()).messaging.stream?.lastSeq ?? 0

  const first = await orchestrator.command('command-1')
  const again = await orchestrator.command('command-1')

  expect(first).toMatchObject({ status: 202, json: { stream: 'WORKLOAD', seq: before + 1, duplicate: false } })
  expect(again).toMatchObject({ status: 202, json: { stream: 'WORKLOAD', seq: before + 1, duplicate: true } })
  expect(await orchestrator.command('command-1', { verb: 'other' })).toMatchObject({ status: 409 })
  expect(await orchestrator.command('command-2', { host: 'host-3' })).toMatchObject({ status: 404 })
  expect(await orchestrator.command('command-2', { host: 'host-2' })).toMatchObject({ status: 202 })
  const { messaging } = await orchestrator.state()
  expect(messaging.stream?.lastSeq).toBe(before + 2)
  expect(messaging.consumers).toContainEqual({ host: 'host-2', pending: 1, unacknowledged: 0, redelivered: 0 })
  expect(await fetched('host-2', 1)).toEqual([
    { subject: 'WORKLOAD.host-2.cmd.apply', id: 'command-2', verb: 'apply', args: { a: 1 } },
  ])
  const refused = decisionsIn(orchestrator.configuration.decisionLog).filter(({ verdict }) => verdict === 'refused')
  expect(refused.map(({ guard, reason, status }) => [guard, reason, status])).toEqual([
    ['command-id', 'command_conflict', 409],
    ['command-host', 'host_unknown', 404],
  ])
})

test('what is no command is refused, and so is whoever is no operator', async () => {
  await using orchestrator = await running()
  const bad: object[] = [
    ...['host.1', '*', '>', 'Host-1', '', 'a'.repeat(64)].map((host) => ({ host })),
    ...['cmd.x', 'a b', '>'].map((verb) => ({ verb })),
    { id: '' },
    { id: 'a b' },
    { id: 'x'.repeat(129) },
    { args: [] },
    { more: 1 },
    { args: { big: 'x'.repeat(300_000) } },
  ]
  for (const change of bad) {
    expect(await orchestrator.command('bad', change), JSON.stringify(change).slice(0, 80)).toMatchObject({
      status: 400,
    })
  }
  expect(await orchestrator.command('good', { args: { big: 'x'.repeat(200_000) } })).toMatchObject({ status: 202 })

  const itself = { identity: site.own, ca: site.broker.authority.pem, host: HOST, port: orchestrator.process.local }
  for (const [method, path] of [
    ['POST', '/v1/commands'],
    ['GET', '/v1/inventory'],
  ] as const) {
    expect(await callLocal(itself, method, path)).toMatchObject({ status: 403 })
  }
  const records = decisionsIn(orchestrator.configuration.decisionLog).filter(({ verdict }) => verdict === 'refused')
  expect(new Set(records.map(({ guard, reason }) => `${guard} ${reason}`))).toEqual(
    new Set(['command-form command_invalid', 'local.caller not_operator']),
  )
  expect(records.filter(({ reason }) => reason === 'command_invalid')).toHaveLength(bad.length)
})

test('the state tells who we are at the broker, and no secret; the inventory what hosts tell', async () => {
  await using orchestrator = await running()
  const host = await asHost('host-1')
  host.publish('INVENTORY.host-1.update', JSON.stringify({ applied: 3 }))
  host.publish('WORKLOAD.host-1.status', JSON.stringify({ id: 'command-1', state: 'applied' }))
  await host.flush()
  await host.close()

  const told = async () => JSON.stringify((await orchestrator.call('GET', '/v1/inventory')).json)
  await until(
    async () => (await told()).includes('command-1') && (await told()).includes('"applied":3'),
    'both to come',
  )

  const { json } = await orchestrator.call('GET', '/v1/inventory')
  expect(json).toMatchObject({
    hosts: [
      { host: 'host-1', update: { content: { applied: 3 } }, status: { content: { state: 'applied' } } },
      { host: 'host-2' },
    ],
  })
  const state = await orchestrator.state()
  const { accounts } = site.broker.operator
  expect(state.messaging.work).toMatchObject({
    ...{ state: 'connected', account: accounts.WORKLOAD.key.getPublicKey(), name: 'orchestrator_user', generation: 1 },
  })
  expect(state.messaging.control).toMatchObject({ state: 'connected', account: accounts.ADMIN.key.getPublicKey() })
  const written =
    JSON.stringify(state) + orchestrator.process.stderr() + readFileSync(orchestrator.configuration.decisionLog, 'utf8')
  expect(written).not.toMatch(/eyJ|S[UAO][A-Z2-7]{56}/)
})

test('newer credentials are taken while commands come: none fails, none is lost, and those before can go', async () => {
  await using orchestrator = await running()
  const { credsDir } = orchestrator.configuration.messaging
  let sent = 0
  let isRotating = true
  const sending = (async () => {
    const statuses = new Set<unknown>()
    while (isRotating || sent < 50) {
      sent += 1
      statuses.add((await orchestrator.command(`rotation-${sent}`, { host: 'host-2' })).status)
    }
    return statuses
  })()
  for (const generation of [2, 3]) {
    await site.install(credsDir, generation)
    await until(
      async () => (await orchestrator.state()).messaging.work.generation === generation,
      'the next generation',
    )
    await until(() => orchestrator.process.stderr().split('"broker-connected"').length === 1 + 2 * generation, 'both')
  }
  isRotating = false

  expect(await sending).toEqual(new Set([202]))
  expect((await fetched('host-2', sent)).map(({ id }) => id)).toEqual(
    Array.from({ length: sent }, (_, at) => `rotation-${at + 1}`),
  )
})

test('a new certificate is taken with SIGHUP: the next connections are up before those before are drained', async () => {
  const given = await site.configuration()
  const { certFile, keyFile } = site.own
  const renewed = await site.broker.authority.issue({ sans: [HOST] })
  const [cert, key] = [`${certFile}.own`, `${keyFile}.own`]
  copyFileSync(certFile, cert)
  copyFileSync(keyFile, key)
  await using orchestrator = await running({}, { ...given, tls: { cert, key } } as never)
  copyFileSync(renewed.certFile, cert)
  copyFileSync(renewed.keyFile, key)

  orchestrator.process.process.kill('SIGHUP')

  await until(() => orchestrator.process.stderr().split('"broker-connected"').length === 5, 'the next connections')
  expect(orchestrator.process.stderr()).not.toContain('broker-connection-ended')
  expect(await orchestrator.command('after-renewal')).toMatchObject({ status: 202 })
})

test('a command that was answered 202 is in the stream, whenever the orchestrator is killed, and sent again it has one effect', async () => {
  const given = await site.configuration()
  const before = await running({}, given)
  const sent: string[] = []
  const taken: string[] = []
  const sendOn = async (): Promise<void> => {
    for (let status: unknown = 202; status === 202; ) {
      const id = `crash-${sent.length}`
      sent.push(id)
      status = (await before.command(id)).status
      if (status === 202 && taken.push(id) === 20) before.process.process.kill('SIGKILL')
    }
  }
  // Each goes on until it gets no answer any more.
  await Promise.all([sendOn(), sendOn(), sendOn(), sendOn()])
  await before.process.exited
  expect(taken.length).toBeGreaterThanOrEqual(20)
  expect(taken.length).toBeLessThan(sent.length)

  await using after = await running({}, given)
  for (const id of sent) expect(await after.command(id)).toMatchObject({ status: 202 })

  const { messaging } = await after.state()
  const waiting = messaging.consumers?.find(({ host }) => host === 'host-1')?.pending as number
  const got = (await fetched('host-1', waiting)).map(({ id }) => String(id)).filter((id) => id.startsWith('crash-'))
  expect(got.toSorted()).toEqual(sent.toSorted())
})

test('what is installed and is no good leaves everything as it is, on record', async () => {
  await using orchestrator = await running()
  const { credsDir } = orchestrator.configuration.messaging
  await site.install(credsDir, 2, { claims: { bearer_token: true } })

  const refused = () => decisionsIn(orchestrator.configuration.decisionLog).find(({ verdict }) => verdict === 'refused')
  await until(() => refused() !== undefined, 'the refusal')

  expect(refused()).toMatchObject({ guard: 'creds.claims', reason: 'creds_bearer', layer: 'start-up' })
  expect((await orchestrator.state()).messaging.work).toMatchObject({ state: 'connected', generation: 1 })
})

test('a user that was revoked says so, and a newer generation is enough to come back', async () => {
  await using orchestrator = await running()
  const { credsDir } = orchestrator.configuration.messaging
  const { worker } = await site.install(credsDir, 2)
  const user = worker.key.getPublicKey()
  // What it has taken over is told before it is used: until then nobody is in who could be put out.
  const isIn = () =>
    decisionsIn(orchestrator.configuration.decisionLog).some(({ principal }) => principal.user === user)
  await until(isIn, 'it to be in with the second generation')
  const revocations = { [user]: Math.floor(Date.now() / 1000) + 1 }
  await site.broker.push(await site.broker.operator.account('WORKLOAD', { revocations }))

  await until(
    async () => (await orchestrator.call('GET', '/readyz')).json?.reason === 'credentials_revoked',
    'it to say so',
  )
  expect((await orchestrator.state()).messaging.work).toMatchObject({ state: 'credentials_revoked' })
  expect(await orchestrator.command('while-revoked')).toMatchObject({
    status: 503,
    json: { error: 'broker_unavailable' },
  })
  await site.install(credsDir, 3)

  await until(async () => (await orchestrator.call('GET', '/readyz')).status === 200, 'it to be ready again')
  expect(await orchestrator.command('while-revoked')).toMatchObject({ status: 202, json: { duplicate: false } })
})

test('without a broker commands are refused; after its return they go on', async () => {
  await using orchestrator = await running()
  await site.broker.stop()
  try {
    await until(async () => (await orchestrator.call('GET', '/readyz')).status === 503, 'it to see that')
    expect(await orchestrator.command('while-down')).toMatchObject({
      status: 503,
      json: { error: 'broker_unavailable' },
    })
    expect((await orchestrator.state()).messaging).toMatchObject({ stream: null, work: { state: 'connecting' } })
  } finally {
    await site.broker.start()
  }
  await until(async () => (await orchestrator.call('GET', '/readyz')).status === 200, 'it to come back')

  expect(await orchestrator.command('while-down')).toMatchObject({ status: 202, json: { duplicate: false } })
  const [refusal] = decisionsIn(orchestrator.configuration.decisionLog).filter(({ verdict }) => verdict === 'refused')
  expect(refusal).toMatchObject({ guard: 'command-broker', reason: 'broker_unavailable' })
})

test.each<[string, () => Promise<object>, RegExp]>([
  [
    'plaintext',
    async () => ({ server: site.broker.server.replace('tls:', 'nats:') }),
    /endpoint_plaintext: messaging\.server/,
  ],
  ['another name', async () => ({ server: site.broker.server.replace('nats-1', 'nats-2') }), /server_name_mismatch: /],
  [
    'a folder without credentials',
    async () => ({ credsDir: join(site.broker.folder, 'nowhere') }),
    /folder_owner_invalid: /,
  ],
  [
    'a secret that is not there',
    async () => ({ mongo: { passwordFile: '/nowhere' } }),
    /config_file_missing: messaging\.mongo/,
  ],
])('with %s it does not start', async (_, change, expected) => {
  const configuration = await site.configuration(await change())

  const { exited, stderr } = spawnOrchestrator(site.broker.folder, configuration)

  expect(await exited).toBe(78)
  const lines = stderr().trimEnd().split('\n')
  expect(lines.at(-1)).toMatch(expected)
  const record = decisionsIn(configuration.decisionLog).at(-1)
  expect(record).toMatchObject({
    verdict: 'refused',
    layer: 'start-up',
    reason: /^orchestrator: (\w+)/.exec(lines.at(-1) ?? '')?.[1],
  })
})

test('a role that was widened, or narrowed, is noticed at the start, and nothing runs under it', async () => {
  const { operator } = site.broker
  const name = 'orchestrator_role'
  const signing = operator.accounts.WORKLOAD.roles
  for (const change of [['ADMIN.>'], []]) {
    const { publish, subscribe } = roleFor(name)
    const allow = change.length > 0 ? [...publish, ...change] : publish.slice(1)
    const template = { pub: { allow }, sub: { allow: [...subscribe] }, subs: -1, data: -1, payload: -1 }
    const key = signing.get(name)?.getPublicKey() ?? ''
    await site.broker.push(
      await operator.account('WORKLOAD', { signing_keys: [{ kind: 'user_scope', key, role: name, template }] }),
    )
    const configuration = await site.configuration()
    const { exited, stderr } = spawnOrchestrator(site.broker.folder, configuration)
    expect(await exited).toBe(78)
    expect(stderr()).toContain('permissions_unexpected: work connection')
    const refused = decisionsIn(configuration.decisionLog).filter(({ verdict }) => verdict === 'refused')
    expect(refused).toMatchObject([{ guard: 'broker.self', reason: 'permissions_unexpected', layer: 'start-up' }])
  }
  await site.broker.push(await operator.account('WORKLOAD'))
  await using orchestrator = await running()
  expect((await orchestrator.state()).messaging.work).toMatchObject({ state: 'connected' })
})

test('a stream that is full refuses, and nothing that is in it is dropped', async () => {
  await using orchestrator = await running({ stream: { maxBytes: 2_000_000 } })
  const args = { big: 'x'.repeat(250_000) }
  const answers: CallResult[] = []
  do answers.push(await orchestrator.command(`full-${answers.length}`, { args }))
  while (answers.at(-1)?.status === 202 && answers.length < 20)

  expect(answers.at(-1)).toMatchObject({ status: 503, json: { error: 'stream_full' } })
  const { stream } = (await orchestrator.state()).messaging
  expect(stream?.messages).toBe((stream?.lastSeq ?? 0) - (stream?.firstSeq ?? 0) + 1)
  expect(decisionsIn(orchestrator.configuration.decisionLog).at(-2)).toMatchObject({
    reason: 'stream_full',
    status: 503,
  })
  await using roomy = await running()
  expect(await roomy.command('full-again')).toMatchObject({ status: 202 })
})

test('a node with both sections does both', async () => {
  const auth = { issuer: 'https://auth.somebiz.local.io:1' }
  const peering = { listen: `127.0.0.1:${await freePort()}`, auth, validation: { mode: 'jwks' } }
  const given = { ...(await site.configuration()), peering }
  await using orchestrator = await running({}, given, false)

  await until(async () => (await orchestrator.state()).messaging.work.state === 'connected', 'the broker')

  expect(await orchestrator.state()).toMatchObject({
    node: 'orchestrator',
    peers: [],
    routes: { local: 0 },
    messaging: {},
  })
  expect(await orchestrator.call('GET', '/v1/peers')).toMatchObject({ status: 200 })
  expect(await orchestrator.command('both')).toMatchObject({ status: 202 })
  expect(await orchestrator.call('GET', '/readyz')).toMatchObject({ status: 503, json: { reason: 'auth_unavailable' } })
})

test('whoever cannot connect in time ends with 1, and has opened nothing at the broker', async () => {
  const configuration = await site.configuration({
    server: 'tls://nats-1.somebiz.local.io:1',
    connectDeadlineSeconds: 1,
  })

  const { exited, stderr } = spawnOrchestrator(site.broker.folder, configuration)

  expect(await exited).toBe(1)
  expect(stderr().trimEnd().split('\n').at(-1)).toMatch(
    /^orchestrator: broker_unreachable: not connected .* within 1 s/,
  )
})
