import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Algorithms, createUser, decode, encode, encodeUser } from '@nats-io/jwt'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import type { UserCreds } from '../../credentials/nats-creds/user-creds.ts'
import type { Presented } from '../../credentials/parts.ts'
import { type DecisionRecord, readDecision } from '../../evidence/decision.ts'
import { thumbprintS256 } from '../../pki/certificate.ts'
import { type Spoiling, spoiled } from '../../pki/spoiled.ts'
import { open } from '../../protocols/nats/connection.ts'
import { type NatsOptions, nats } from '../../protocols/nats/index.ts'
import type { NatsRequest } from '../../protocols/nats/request.ts'
import { type Broker, startBroker } from '../../protocols/nats/testing/broker.ts'
import { Realm, type RealmAccount } from '../../protocols/nats/testing/realm.ts'
import { until } from '../../site/until.ts'

// Every row of the companion's table, provoked at a real broker, whose texts are its own.

const main = fileURLToPath(new URL('../../../services/nats-companion/main.ts', import.meta.url))
const roles = { worker: { pub: { allow: ['work.*.cmd'] }, sub: { allow: ['work.*.status'] } } }
const realm = new Realm()
const accountOf = (name: string) => realm.account(name, roles)
const [system, work, bearers, short, narrow] = ['SYS', 'WORK', 'BEARERS', 'SHORT', 'NARROW'].map(accountOf) as [
  RealmAccount,
  RealmAccount,
  RealmAccount,
  RealmAccount,
  RealmAccount,
]
let broker: Broker
let companion: ChildProcess
let worker: UserCreds & { id: string }
const decisionLog = () => join(broker.dir, 'decisions.jsonl')
const inSeconds = (seconds: number) => Math.floor(Date.now() / 1000) + seconds

beforeAll(async () => {
  const jwts = {
    ...{ [system.id]: await system.jwt(), [bearers.id]: await bearers.jwt() },
    [work.id]: await work.jwt({ limits: { disallow_bearer: true } }),
    [narrow.id]: await narrow.jwt({ limits: { conn: 1 } }),
  }
  broker = await startBroker({ realm, system, accounts: jwts, address: '127.77.3.1' })
  worker = await work.user('worker', 'worker')
  const config = { node: 'nats-1', log: broker.logFile, monitoring: broker.monitoring, decisionLog: decisionLog() }
  await writeFile(join(broker.dir, 'companion.json'), JSON.stringify(config))
  companion = start()
})

afterAll(async () => {
  companion?.kill('SIGTERM')
  if (companion) expect(await once(companion, 'exit')).toEqual([0, null])
  await broker?.[Symbol.asyncDispose]()
})

function start(): ChildProcess {
  const argv = ['--conditions=holdfast-source', main, '--config', join(broker.dir, 'companion.json')]
  return spawn(process.execPath, argv, { stdio: ['ignore', 'ignore', 'inherit'] })
}

async function call(creds?: UserCreds, request: NatsRequest = {}, options: NatsOptions = {}, more: Presented = {}) {
  const presented = { certificate: broker.client, creds, ...more }
  const called = await connected(() => nats.prepare({ request, presented, options }).send(broker.endpoint))
  onTestFinished(() => called.session?.close())
  return called
}

async function connected<Made extends { conn: string }>(connect: () => Promise<Made>): Promise<Made> {
  const before = (await recordLines()).length
  const made = await connect()
  recordedBefore.set(made.conn, before)
  return made
}

const recordLines = async () => (await readFile(decisionLog(), 'utf8').catch(() => '')).split('\n').slice(0, -1)
/** How many lines the log had before a connection was made: the kernel gives a port again, within one run of this file too. */
const recordedBefore = new Map<string, number>()

async function recordsOf(conn: string, count = 1): Promise<DecisionRecord[]> {
  const read = async () => {
    const place = (line: number) => ({ node: 'nats-1', file: 'decisions.jsonl', line })
    const all = (await recordLines()).map((line, at) => readDecision(line, place(at + 1)))
    const own = all.slice(recordedBefore.get(conn) ?? 0).filter((record) => record.conn === conn)
    return own.length >= count && own
  }
  return until(`${count} records of ${conn}`, read, { withinMs: 15_000, everyMs: 10 }).catch(async (cause: Error) => {
    throw new Error(`${cause.message}\n${await writtenOf(conn)}`, { cause })
  })
}

/** What broker and companion wrote of a connection, and when the companion wrote last. */
async function writtenOf(conn: string): Promise<string> {
  const log = (await readFile(broker.logFile, 'utf8')).split('\n')
  const records = await recordLines()
  const own = (lines: readonly string[]) =>
    lines.filter((line) => line.includes(conn) || / Authentication (Exp|Rev)/.test(line))
  return [
    'broker:',
    ...own(log),
    `companion (${companion.exitCode ?? companion.signalCode ?? 'runs'}):`,
    ...own(records),
    'last:',
    records.at(-1),
  ].join('\n')
}

const login = { action: 'nats:login', layer: 'broker', guard: 'broker.login', node: 'nats-1', unit: 'nats-server' }
const violation = 'Authorization Violation'

test('a login that is taken is an accept, with all that the broker proved', async () => {
  const { conn, promised } = await call(worker)
  expect(promised).toBe(true)
  const principal = {
    user: worker.id,
    name: 'worker',
    account: work.id,
    'x5t#S256': thumbprintS256(broker.client.certPem),
  }
  const accept = { ...login, verdict: 'accepted', guard: null, reason: null, error: null, principal }
  expect(await recordsOf(conn)).toMatchObject([accept])
})

test('whoever was gone at once was in all the same', async () => {
  const { conn } = await call(worker, {}, { raw: { bytes: (line) => [line] } })
  const quick = await call(worker)
  await quick.session!.close()
  expect(await recordsOf(quick.conn)).toMatchObject([{ verdict: 'accepted', principal: { user: worker.id } }])
  expect(await recordsOf(conn)).toMatchObject([{ verdict: 'accepted' }])
})

const seedOf = (key: { getSeed(): Uint8Array }) => Buffer.from(key.getSeed()).toString()
const edited = (jwt: string) => {
  const [header, payload = '', signature] = jwt.split('.')
  const claims = { ...JSON.parse(Buffer.from(payload, 'base64url').toString()), name: 'boss' }
  return [header, Buffer.from(JSON.stringify(claims)).toString('base64url'), signature].join('.')
}
/** A user whose JWT is signed by the key of the role in WORK, and names that as its account or none. */
const signedByRole = async (issuer: RealmAccount['key']) => {
  const key = createUser()
  const signer = work.signers.get('worker')!
  return { jwt: await encodeUser('w', key, issuer, {}, { signer, scopedUser: true }), seed: seedOf(key) }
}
const ownSigned = async () => {
  const key = createUser()
  const claims = { ...decode(worker.jwt), iss: key.getPublicKey(), sub: key.getPublicKey() }
  return { jwt: await encode(Algorithms.v2, claims, key), seed: seedOf(key) }
}
const foreign = () => new Realm('OTHER').account('WORK').user('stranger')
const withLimit = (limit: object) => work.user('limited', undefined, limit)

test.each<[string, string, () => UserCreds | undefined | Promise<UserCreds>, NatsOptions?]>([
  ['nothing', 'nats_credentials_missing', () => undefined],
  [
    'user and password',
    'nats_credentials_missing',
    () => undefined,
    { connect: (own) => ({ ...own, user: 'a', pass: 'b' }) },
  ],
  ['an edited payload', 'nats_credentials_missing', () => ({ ...worker, jwt: edited(worker.jwt) })],
  [
    'the JWT of an account',
    'nats_credentials_missing',
    async () => ({ jwt: await work.jwt(), seed: seedOf(work.key) }),
  ],
  ['a JWT of its own making', 'nats_credentials_missing', ownSigned],
  ['a JWT that has expired', 'nats_jwt_expired', () => work.user('w', 'worker', {}, { exp: inSeconds(-1) })],
  ['a JWT that has not begun', 'nats_jwt_expired', () => work.user('w', 'worker', {}, { nbf: inSeconds(60) })],
  ['a user of another operator', 'nats_account_unknown', foreign],
  ['a user of another account', 'nats_issuer_unknown', () => signedByRole(bearers.key)],
  ['a user that names no account', 'nats_account_unknown', () => signedByRole(work.signers.get('worker')!)],
  ['permissions beside the role', 'nats_scope_violation', () => work.user('w', 'worker', { pub: { allow: ['>'] } })],
  ['a bearer JWT', 'nats_bearer', async () => ({ ...(await withLimit({ bearer_token: true })), seed: '' })],
  ['another sort of connection', 'nats_connection_type', () => withLimit({ allowed_connection_types: ['WEBSOCKET'] })],
  ['no sort of connection', 'nats_connection_type', () => withLimit({ allowed_connection_types: ['PIGEON'] })],
  ['another place', 'nats_source', () => withLimit({ src: ['10.0.0.0/8'] })],
  ['another time of day', 'nats_time', () => withLimit({ times: [{ start: '00:00:00', end: '00:00:01' }] })],
  ['no signature', 'nats_signature_missing', () => ({ ...worker, seed: '' })],
  ['the key of another', 'nats_signature_invalid', () => ({ ...worker, seed: seedOf(createUser()) })],
  ['no base64', 'nats_signature_invalid', () => worker, { connect: (own) => ({ ...own, sig: '!' }) }],
  ['an account beside the JWT', 'nats_account_named', () => worker, { connect: (own) => ({ ...own, account: 'A' }) }],
  ['something before it', 'nats_login_missing', () => worker, { raw: { bytes: () => ['SUB > 1\r\n'] } }],
  ['bytes that are none', 'nats_login_missing', () => worker, { raw: { bytes: () => ['\u0001\u0002\r\n'] } }],
])('a login with %s is refused for %s', async (_, reason, creds, options) => {
  const { conn, answer } = await call(await creds(), {}, options)
  expect(answer.error).toBe(violation)
  const refusal = { ...login, verdict: 'refused', reason, error: violation, principal: {} }
  expect(await recordsOf(conn)).toMatchObject([refusal])
})

test.each<[string, string, (line: string) => string]>([
  ['too much', 'nats_login_too_long', (line) => line.replace('"caller"', `"${'x'.repeat(20_000)}"`)],
  ['no JSON', 'nats_protocol', () => 'CONNECT {x}\r\n'],
  ['another protocol', 'nats_protocol', (line) => line.replace('"protocol":1', '"protocol":9')],
])('a login with %s ends the connection for %s', async (_, reason, bytes) => {
  const { conn } = await call(worker, {}, { raw: { bytes: (line) => [bytes(line)] } })
  expect(await recordsOf(conn)).toMatchObject([{ ...login, verdict: 'refused', reason, error: null }])
})

test('an account that may have one connection has no other', async () => {
  expect((await call(await narrow.user('first'))).promised).toBe(true)
  const { conn, answer } = await call(await narrow.user('second'))
  expect(answer.error).toBe('maximum account active connections exceeded')
  expect(await recordsOf(conn)).toMatchObject([{ ...login, reason: 'nats_connections_exceeded' }])
})

test.each<[string, NatsRequest, string, string]>([
  ['publishes', { publish: 'work.status' }, 'nats_publish_denied', 'Publish to "work.status"'],
  ['replies', { publish: 'work.a.cmd', reply: '_R_.a' }, 'nats_publish_denied', 'Publish with Reply of "_R_.a"'],
  ['subscribes', { subscribe: '>' }, 'nats_subscribe_denied', 'Subscription to ">"'],
  ['joins a group', { subscribe: 'a.b', queue: 'g' }, 'nats_subscribe_denied', 'Subscription to "a.b" using queue "g"'],
])('who %s beyond his role is in, and is denied that', async (_, request, reason, text) => {
  const { conn, answer } = await call(worker, request)
  const principal = { user: worker.id, account: work.id }
  const error = `Permissions Violation for ${text}`
  expect(answer.error).toBe(error)
  const action = request.publish ? 'nats:publish' : 'nats:subscribe'
  expect(await recordsOf(conn, 2)).toMatchObject([
    { verdict: 'accepted', action: 'nats:login', principal },
    { verdict: 'refused', action, layer: 'broker', guard: 'broker.permission', reason, error, principal },
  ])
})

const names = () => ({ authority: broker.authority, subject: 'client.test', sans: ['client.test'] })
const bySpoiling = (how: Spoiling) => async () => ({ certificate: await spoiled[how](names()) })

test.each<[string, string, () => Promise<Presented>, NatsOptions?]>([
  ['no certificate', 'cert_missing', async () => ({ certificate: undefined })],
  ['one of another CA', 'cert_untrusted', bySpoiling('otherCa')],
  ['one for servers', 'cert_eku_invalid', bySpoiling('serverAuthOnly')],
  ['one that has expired', 'cert_expired', bySpoiling('expired')],
  ['one that has not begun', 'cert_not_yet_valid', bySpoiling('notYetValid')],
  ['an old version', 'handshake_failed', async () => ({}), { handshake: { version: 'TLSv1.1' } }],
  ['none at all', 'handshake_failed', async () => ({}), { raw: { bytes: (line) => [line], isPlain: true } }],
])('a handshake with %s is refused for %s, and nothing is read after it', async (_, reason, presented, options) => {
  const { conn, answer } = await call(worker, {}, options, await presented())
  expect(answer.error).toBeNull()
  const refusal = { verdict: 'refused', layer: 'tls', guard: 'broker.tls', reason, error: null, principal: {} }
  expect(await recordsOf(conn)).toMatchObject([refusal])
})

test('who only knocks was refused nothing', async () => {
  const { stream, conn } = await connected(() => broker.endpoint.seat.connect(broker.endpoint))
  stream.destroy()
  // What came later was read, so this was.
  await recordsOf((await call(worker)).conn)
  expect(await recordsOf(conn, 0)).toEqual([])
})

test('who says nothing is sent away', async () => {
  const endpoint = { ...broker.endpoint, identity: broker.client, handshake: { alpn: [] } }
  const silent = await connected(() => open(endpoint))
  await silent.closed
  expect(silent.errors).toEqual(['Authentication Timeout'])
  expect(await recordsOf(silent.conn)).toMatchObject([{ ...login, reason: 'nats_login_timeout' }])
})

test('an account that ends puts all of its users out, and lets nobody in', async () => {
  const user = await short.user('o')
  const users = [user, user, await short.user('p')]
  await broker.push(await short.jwt({}, { exp: inSeconds(4) }))
  // The broker writes of the first of them alone what it told them all.
  const all = await Promise.all(users.map((one) => call(one)))
  expect(all.map(({ promised }) => promised)).toEqual([true, true, true])
  for (const { session } of all)
    expect(await session!.ended).toMatchObject({ reason: 'Account Authentication Expired' })
  const ended = { verdict: 'refused', layer: 'session', reason: 'nats_account_expired' }
  for (const { conn } of all) expect(await recordsOf(conn, 2)).toMatchObject([{ verdict: 'accepted' }, ended])
  const { conn, answer } = await call(user)
  expect(answer.error).toBe(violation)
  expect(await recordsOf(conn)).toMatchObject([{ ...login, reason: 'nats_account_expired' }])
})

test('who is in is put out when his JWT ends or is revoked, and comes in no more', async () => {
  const principal = { account: work.id }
  const expiring = await work.user('brief', undefined, {}, { exp: inSeconds(2) })
  const revoked = await work.user('revoked')
  const [brief, victim] = [await call(expiring), await call(revoked)]
  expect([brief.promised, victim.promised]).toEqual([true, true])
  const revocations = { [revoked.id]: inSeconds(1) }
  await broker.push(await work.jwt({ revocations, limits: { disallow_bearer: true } }))
  expect(await victim.session!.ended).toMatchObject({ reason: 'User Authentication Revoked' })
  expect(await brief.session!.ended).toMatchObject({ reason: 'User Authentication Expired' })
  const ended = { verdict: 'refused', action: 'nats:session', layer: 'session', guard: 'broker.session', principal }
  expect(await recordsOf(victim.conn, 2)).toMatchObject([
    { verdict: 'accepted' },
    { ...ended, reason: 'nats_user_revoked' },
  ])
  expect(await recordsOf(brief.conn, 2)).toMatchObject([
    { verdict: 'accepted' },
    { ...ended, reason: 'nats_jwt_expired' },
  ])
  const again = await call(revoked)
  expect(await recordsOf(again.conn)).toMatchObject([{ ...login, reason: 'nats_user_revoked', error: violation }])
})

test('who closes first is known to have been put out by what the broker shows, where it wrote that of another', async () => {
  const [first, second, good] = [await work.user('first'), await work.user('second'), await work.user('good')]
  // The kernel gives ports again.
  const from = (await readFile(broker.logFile, 'utf8')).length
  const all = [await call(first), await call(second), await call(good)]
  for (const { conn } of all) await recordsOf(conn)
  companion.kill('SIGKILL')
  await once(companion, 'exit')
  const revocations = { [first.id]: inSeconds(1), [second.id]: inSeconds(1) }
  await broker.push(await work.jwt({ revocations, limits: { disallow_bearer: true } }))
  for (const { session } of all.slice(0, 2)) await session!.ended
  // They know of their end before it is in the log, and who goes by himself is to be the last there.
  await closedInLog(
    all.slice(0, 2).map(({ conn }) => conn),
    from,
  )
  await all[2]!.session!.close()
  await closedInLog([all[2]!.conn], from)
  const closed = (conn: string) => new RegExp(`^(.* \\[DBG\\] ${conn} - .*)(Client connection closed: ).*$`, 'm')
  const words = (conn: string) => new RegExp(`^.* ${conn} - .*User Authentication Revoked.*\n`, 'm')
  const whole = await readFile(broker.logFile, 'utf8')
  const written = whole.slice(from)
  // Which of them is gone before the broker ends it is chance: here all were, and it wrote its words of the first alone, whoever that is.
  const [told, ...others] = all
    .map(({ conn }) => conn)
    .sort((one, other) => written.search(closed(one)) - written.search(closed(other)))
  const log = others.reduce(
    (text, conn) => text.replace(words(conn), '').replace(closed(conn), '$1$2Client Closed'),
    written.replace(words(told!), ''),
  )
  const own = log.replace(closed(told!), '$1User Authentication Revoked\n$1$2Client Closed')
  await writeFile(broker.logFile, whole.slice(0, from) + own)
  companion = start()

  const ended = { action: 'nats:session', guard: 'broker.session', reason: 'nats_user_revoked' }
  for (const { conn } of all.slice(0, 2)) expect((await recordsOf(conn, 2))[1]).toMatchObject(ended)
  expect(await recordsOf(all[2]!.conn)).toMatchObject([{ verdict: 'accepted' }])
})

/** `from`: where in the log they began, or before. */
async function closedInLog(conns: readonly string[], from: number): Promise<void> {
  const isWritten = async () => {
    const text = (await readFile(broker.logFile, 'utf8')).slice(from)
    return conns.every((conn) => new RegExp(`${conn} - .*Client connection closed: `).test(text))
  }
  await until('their ends are in the log', isWritten, { withinMs: 5_000 })
}

test('a line that nobody knows is no reason that anybody knows', async () => {
  const line = (level: string, text: string) =>
    `[1] 2026/11/30 02:39:23.034000 [${level}] 127.0.0.99:1 - cid:990 - ${text}\n`
  const changed = ['Client connection created', 'Your signature is missing'].map((text) => line('DBG', text))
  await appendFile(broker.logFile, [...changed, line('ERR', 'authentication error')].join(''))
  const unmapped = { guard: 'broker.unmapped', reason: 'nats_unmapped', target: 'Your signature is missing' }
  expect(await recordsOf('127.0.0.99:1')).toMatchObject([unmapped])
})

test('a companion that is started again goes on where it was, and writes nothing twice', async () => {
  const before = await call(worker)
  await recordsOf(before.conn)
  companion.kill('SIGKILL')
  await once(companion, 'exit')
  const meanwhile = await call(undefined)
  companion = start()
  expect(await recordsOf(meanwhile.conn)).toMatchObject([{ reason: 'nats_credentials_missing' }])
  const denied = await call(worker, { publish: 'a' })
  await recordsOf(denied.conn, 2)
  expect(await recordsOf(before.conn)).toHaveLength(1)
})

test.each([
  ['missing', 'nothing.jwt', 'is missing'],
  ['empty', 'empty.jwt', 'is empty'],
  ['a folder', '.', 'is no file'],
])('a broker is kept from starting by a file that is %s', async (_, name, text) => {
  await writeFile(join(broker.dir, 'empty.jwt'), '')
  const check = (...files: string[]) => {
    const child = spawn(process.execPath, ['--conditions=holdfast-source', main, 'check', ...files])
    const said: string[] = []
    child.stderr.on('data', (bytes) => said.push(String(bytes)))
    return once(child, 'close').then(([code]) => ({ code, said: said.join('') }))
  }
  const good = join(broker.dir, 'operator.jwt')
  expect(await check(good)).toEqual({ code: 0, said: '' })
  const { code, said } = await check(good, join(broker.dir, name))
  expect(code).toBe(78)
  expect(said).toMatch(new RegExp(`^nats-companion: broker_file_missing: .*${text}; run the unit`))
})
