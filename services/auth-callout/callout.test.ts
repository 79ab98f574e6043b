import '../shared/testing/loopback-names.ts'
import { chmodSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect, jwtAuthenticator, type NatsConnection, tokenAuthenticator } from '@nats-io/transport-node'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import type { Log } from '../shared/log.ts'
import { connectBroker, userInfo } from '../shared/nats/broker-connection.ts'
import { readCreds } from '../shared/nats/creds-text.ts'
import { roleFor } from '../shared/nats/roles.ts'
import type { SetupRecord } from '../shared/nats/setup-record.ts'
import { BROKER_HOST, recordsIn } from '../shared/nats/testing/broker.ts'
import { type CalloutSite, calloutSite, readiness } from '../shared/nats/testing/callout-site.ts'
import type { TestUser } from '../shared/nats/testing/operator.ts'
import type { TestIdentity } from '../shared/testing/certificates.ts'
import { spawnService, startService, type TestService, until } from '../shared/testing/service-process.ts'
import { prepare, startCallout } from './callout.ts'
import { program } from './config.ts'

// A real callout at a real broker: hosts log in, each refusal with its reason beside one that is let in.

vi.setConfig({ testTimeout: 120_000 })

let site: CalloutSite
let callout: TestService
let configuration: Awaited<ReturnType<CalloutSite['callout']>>
let identity: TestIdentity

beforeAll(async () => {
  site = await calloutSite()
  identity = await site.hostIdentity('host-1')
}, 300_000)
afterAll(async () => {
  await callout[Symbol.asyncDispose]()
  await site[Symbol.asyncDispose]()
})
beforeAll(async () => {
  configuration = await site.callout()
  callout = await startService('auth-callout', site.broker.folder, configuration)
  await until(async () => (await ready()) === 'ready', 'the callout')
})

const ready = () => readiness(site, configuration.listen.local, BROKER_HOST)

interface Login {
  token?: string
  with?: TestIdentity
  user?: TestUser
}

async function login({ token, with: presented = identity, user = site.sentinel }: Login): Promise<NatsConnection> {
  const creds = readCreds(user.creds)!
  const target = { ...site.broker.target(presented), connectTimeoutMs: 8_000 }
  return connectBroker(target, {
    creds,
    inbox: '_INBOX.host-1',
    name: 'test',
    ...(token === undefined ? {} : { token }),
  })
}

async function outcome(given: Login): Promise<string> {
  try {
    const connection = await login(given)
    await connection.close()
    return 'connected'
  } catch (failure) {
    return (failure as Error).message
  }
}

const refusals = () => recordsIn(configuration.decisionLog).filter(({ verdict }) => verdict === 'refused')
const last = () => recordsIn(configuration.decisionLog).at(-1) as Record<string, unknown>

test('a host with a token that is bound to its certificate is let in, with the role of hosts and nothing else', async () => {
  const connection = await login({ token: await site.token('host-1', identity) })

  const info = (await userInfo(connection, 2_000)) as Record<string, unknown>
  await connection.close()

  const { publish, subscribe } = roleFor('host_role', 'host-1')
  const permissions = info.permissions as Record<string, { allow: string[] }>
  expect(info.account).toBe(site.setup.accounts.WORKLOAD)
  expect(permissions.publish?.allow.sort()).toEqual([...publish].sort())
  expect(permissions.subscribe?.allow.sort()).toEqual([...subscribe].sort())
  expect(Number(info.expires) / 1e9).toBeGreaterThan(250)
  expect(Number(info.expires) / 1e9).toBeLessThanOrEqual(300)
  expect(last()).toMatchObject({
    ...{ verdict: 'accepted', action: 'nats:login', layer: 'broker', cid: expect.any(Number) },
    principal: { 'x5t#S256': identity.x5t, sub: 'host-1' },
  })
})

test('a login lasts no longer than its token and its certificate', async () => {
  const seconds = Math.floor(Date.now() / 1000)
  const short = await site.broker.authority.issue({
    sans: ['host-1.somebiz.local.io'],
    notAfter: new Date(Date.now() + 100_000),
  })
  const lifeOf = async (given: Login): Promise<number> => {
    const connection = await login(given)
    const { expires } = (await userInfo(connection, 2_000)) ?? {}
    await connection.close()
    return Number(expires) / 1e9
  }

  expect(await lifeOf({ token: await site.token('host-1', identity, { exp: seconds + 60 }) })).toBeLessThanOrEqual(60)
  const byCertificate = await lifeOf({ token: await site.token('host-1', short), with: short })
  expect(byCertificate).toBeGreaterThan(80)
  expect(byCertificate).toBeLessThanOrEqual(100)
})

const seconds = (offset: number): number => Math.floor(Date.now() / 1000) + offset

test.each<[string, string, () => Promise<Login>]>([
  ['callout.carrier', 'token_missing', async () => ({})],
  ['token.form', 'token_malformed', async () => ({ token: 'garbage' })],
  ['token.issuer', 'issuer_untrusted', () => minted({ iss: 'https://other.somebiz.local.io' })],
  ['token.claims', 'claim_missing', () => minted({ scope: undefined })],
  ['token.time', 'token_expired', () => minted({ exp: seconds(-60) })],
  ['token.time', 'token_not_yet_valid', () => minted({ nbf: seconds(120) })],
  ['token.audience', 'audience_mismatch', () => minted({ aud: 'https://nats-2.somebiz.local.io' })],
  ['token.binding', 'cnf_missing', () => minted({ cnf: undefined })],
  [
    'token.binding',
    'cnf_x5t_mismatch',
    async () => ({ ...(await minted({})), with: await site.hostIdentity('host-1') }),
  ],
  ['callout.identity', 'host_unknown', () => minted({ sub: 'host-9', client_id: 'host-9' })],
  ['callout.identity', 'host_unknown', () => minted({ sub: 'constructor', client_id: 'constructor' })],
  ['callout.identity', 'san_mismatch', () => minted({ sub: 'host-2', client_id: 'host-2' })],
  ['token.scope', 'scope_insufficient', () => minted({ scope: 'node:read' })],
  ['token.active', 'token_inactive', () => revoked()],
  ['callout.sentinel', 'sentinel_unknown', async () => ({ ...(await minted({})), user: await otherOfAuth() })],
])('%s: %s, and the caller is told nothing but that, at once', async (guard, reason, make) => {
  expect(await outcome(await minted({}))).toBe('connected')
  const before = refusals().length
  const given = await make()
  const began = performance.now()

  expect(await outcome(given)).toBe('Authorization Violation')

  expect(performance.now() - began).toBeLessThan(1_500)
  const [record, ...more] = refusals().slice(before)
  expect(record).toMatchObject({ guard, reason, layer: 'broker', action: 'nats:login', cid: expect.any(Number) })
  expect(more).toEqual([])
  await until(() => site.broker.log().includes(`denied ${record?.requestId}`), 'the broker to say so')
  expect(readFileSync(configuration.decisionLog, 'utf8') + callout.stderr()).not.toMatch(/eyJ|S[UAXO][A-Z2-7]{56}/)
})

test('a user and a password beside the token are one way too many', async () => {
  const { jwt, seed } = readCreds(site.sentinel.creds)!
  const token = await site.token('host-1', identity)
  const { cert, key } = identity
  const given = {
    servers: `${BROKER_HOST}:${site.broker.port}`,
    tls: { ca: site.broker.authority.pem, cert, key },
    authenticator: [jwtAuthenticator(jwt, new TextEncoder().encode(seed)), tokenAuthenticator(token)],
    reconnect: false,
  }
  await (await connect(given)).close()

  await expect(connect({ ...given, user: 'host-1', pass: 'x' })).rejects.toThrow('Authorization Violation')

  expect(last()).toMatchObject({ guard: 'callout.carrier', reason: 'token_carrier_invalid' })
})

test('whoever has the JWT of the sentinel and not its key is refused by the broker, which asks nobody', async () => {
  const { jwt, seed } = readCreds(site.sentinel.creds)!
  const token = await site.token('host-1', identity)
  const { cert, key } = identity
  const loginWith = (...proof: Uint8Array[]) =>
    connect({
      servers: `${BROKER_HOST}:${site.broker.port}`,
      tls: { ca: site.broker.authority.pem, cert, key },
      authenticator: [jwtAuthenticator(jwt, ...proof), tokenAuthenticator(token)],
      reconnect: false,
    })
  const bytes = (text: string) => new TextEncoder().encode(text)
  await (await loginWith(bytes(seed))).close()
  const before = recordsIn(configuration.decisionLog).length

  await expect(loginWith()).rejects.toThrow('Authorization Violation')
  const other = readCreds((await otherOfAuth()).creds)!.seed
  await expect(loginWith(bytes(other))).rejects.toThrow('Authorization Violation')

  expect(recordsIn(configuration.decisionLog).slice(before)).toEqual([])
})

test('an auth server that is down lets nobody in, with its reason, and others are not affected', async () => {
  const given = await minted({})
  expect(await outcome(given)).toBe('connected')
  await site.issuer.down()
  try {
    expect(await outcome(given)).toBe('Authorization Violation')
    expect(last()).toMatchObject({ guard: 'token.active', reason: 'auth_unavailable' })
    expect(await outcome({ user: await site.broker.operator.user('admin_user') })).toBe('connected')
  } finally {
    await site.issuer.up()
  }
  expect(await outcome(given)).toBe('connected')
})

test('whoever is in is judged again: a token that is revoked, a host that is declared no more', async () => {
  const jti = crypto.randomUUID()
  const [first, second, third] = [
    await login(await minted({ jti })),
    await login(await minted({})),
    await login(await second2()),
  ]
  site.issuer.revoked.add(jti)

  await first.closed()
  expect(refusals().at(-1)).toMatchObject({ guard: 'live.recheck', reason: 'token_ended', action: 'nats:session' })
  expect([second.isClosed(), third.isClosed()]).toEqual([false, false])

  const changed = { ...configuration, hosts: { 'host-1': { host: 'host-1.somebiz.local.io' } } }
  writeFileSync(callout.configFile, JSON.stringify(changed))
  callout.process.kill('SIGHUP')
  await third.closed()
  expect(refusals().at(-1)).toMatchObject({ guard: 'live.recheck', reason: 'host_undeclared' })
  expect(second.isClosed()).toBe(false)
  expect(await outcome(await second2())).toBe('Authorization Violation')
  await second.close()
  writeFileSync(callout.configFile, JSON.stringify(configuration))
  callout.process.kill('SIGHUP')
  await until(async () => (await outcome(await second2())) === 'connected', 'the host to be declared again')
})

test('a certificate that ends, ends the login', async () => {
  const endsAt = Date.now() + 6_000
  const short = await site.broker.authority.issue({
    sans: ['host-1.somebiz.local.io'],
    notAfter: new Date(endsAt),
  })
  const connection = await login({ token: await site.token('host-1', short), with: short })

  await connection.closed()

  expect(Date.now()).toBeLessThan(endsAt + 5_000)
})

test('a request that the broker did not make is answered by nobody, and is on record', async () => {
  const { operator } = site.broker
  const forged = { name: 'forged', subject: 'FORGED', type: 'stream' as const }
  const account = operator.accounts.ADMIN.key.getPublicKey()
  // No user of AUTH may publish there; so somebody with its keys lets in what another account publishes.
  const asRequest = { ...forged, account, local_subject: '$SYS.REQ.USER.AUTH' }
  await site.broker.push(await operator.account('ADMIN', { exports: [forged] }))
  await site.broker.push(await operator.account('AUTH', { imports: [asRequest] }))
  const full = operator.accounts.ADMIN.signer
  const user = await operator.user('admin_user', { signer: full, claims: { subs: -1, data: -1, payload: -1 } })
  const connection = await login({ user })
  const before = refusals().length

  const answer = connection.request('FORGED', 'eyJ', { timeout: 500 })

  await expect(answer).rejects.toThrow()
  await until(() => refusals().length > before, 'the record')
  expect(refusals().at(-1)).toMatchObject({ guard: 'callout.request', reason: 'callout_request_invalid' })
  await connection.close()
  await site.broker.push(await operator.account('ADMIN'))
  await site.broker.push(await operator.account('AUTH'))
  expect(await outcome(await minted({}))).toBe('connected')
})

test('a sentinel that was rotated is known as soon as that is written down, whatever key files lie here, and the one before until it ends', async () => {
  const setupFile = String(configuration.setupFile)
  const record = JSON.parse(readFileSync(setupFile, 'utf8')) as SetupRecord
  const next = await otherOfAuth()
  const [before, after] = [await minted({}), { ...(await minted({})), user: next }]
  const write = (setup: object) => writeFileSync(setupFile, JSON.stringify({ ...record, ...setup }))
  const rotate = (ends: number, others: Partial<SetupRecord['users']> = {}) => {
    const previous = [{ key: record.users.auth_guard.key, until: new Date(ends).toISOString() }]
    const auth_guard = { ...record.users.auth_guard, key: next.key.getPublicKey(), previous }
    write({ generation: record.generation + 1, users: { ...record.users, ...others, auth_guard } })
  }
  const isOut = async (given: Login) => /authorization violation/i.test(await outcome(given))

  expect(await isOut(after)).toBe(true)
  const key = (await site.broker.operator.user('sys_kick')).key.getPublicKey()
  rotate(Date.now() + 3_600_000, { sys_kick: { ...record.users.sys_kick, key } })
  await until(async () => !(await isOut(after)), 'the newer sentinel')
  expect(await isOut(before)).toBe(false)
  expect(callout.stderr()).toMatch(/"keys-not-taken".*sys_kick\.creds/)
  rotate(Date.now())
  await until(() => isOut(before), 'the end of the older one')
  expect(await isOut(after)).toBe(false)
  write({})
  await until(async () => !(await isOut(before)), 'the setup as it was')
})

test('a rotation between the look at the keys and the watch over them is seen', async () => {
  const other = await site.callout()
  const setupFile = join(site.broker.folder, 'setup-of-another.json')
  const write = (generation: number) => writeFileSync(setupFile, JSON.stringify({ ...site.setup, generation }))
  write(1)
  const given = program.schema.parse({ ...other, setupFile })
  const prepared = prepare(given)
  const taken: unknown[] = []
  const log: Log = { info: (event, fields) => void taken.push([event, fields?.generation]), warn() {}, error() {} }
  write(2)

  const started = await startCallout(prepared, log, () => given)

  await started.stop()
  expect(taken).toContainEqual(['keys-taken', 2])
})

test.each<[string, () => object, RegExp]>([
  ['plaintext', () => ({ server: site.broker.server.replace('tls:', 'nats:') }), /endpoint_plaintext: server/],
  ['no setup', () => ({ setupFile: '/nowhere' }), /config_invalid: \/nowhere cannot be read/],
  ['a key of another setup', () => ({ keysDir: otherKeys() }), /config_invalid: .*response\.nk is not the key A/],
  [
    'a key of its certificate that others can read',
    () => ({ tls: withOpenKey() }),
    /config_invalid: .*open\.key .*0600/,
  ],
  ['no issuer', () => ({ auth: {} }), /config_invalid: .*auth\.issuer/],
])('with %s it does not start', async (_, change, expected) => {
  const { exited, stderr } = spawnService('auth-callout', site.broker.folder, { ...configuration, ...change() })

  expect(await exited).toBe(78)
  expect(stderr().trimEnd().split('\n')).toHaveLength(1)
  expect(stderr()).toMatch(expected)
})

function withOpenKey(): object {
  const key = join(site.broker.folder, 'open.key')
  const tls = configuration.tls as { key: string }
  copyFileSync(tls.key, key)
  chmodSync(key, 0o604)
  return { ...tls, key }
}

async function minted(claims: object): Promise<Login> {
  return { token: await site.token('host-1', identity, claims) }
}

async function second2(): Promise<Login> {
  const other = await site.hostIdentity('host-2')
  return { token: await site.token('host-2', other), with: other }
}

async function revoked(): Promise<Login> {
  const jti = crypto.randomUUID()
  site.issuer.revoked.add(jti)
  return minted({ jti })
}

function otherOfAuth(): Promise<TestUser> {
  return site.broker.operator.user('auth_guard')
}

function otherKeys(): string {
  const folder = join(site.broker.folder, 'local-keys')
  const files = ['response.nk', 'host_role.nk', 'curve.nk', 'callout_user.creds', 'sys_kick.creds']
  const other = `${folder}-other-${crypto.randomUUID().slice(0, 8)}`
  mkdirSync(other, { mode: 0o700 })
  for (const file of files) copyFileSync(join(folder, file), join(other, file))
  copyFileSync(join(folder, 'host_role.nk'), join(other, 'response.nk'))
  return other
}
