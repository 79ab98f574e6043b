import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import type { UserCreds } from '../../credentials/nats-creds/user-creds.ts'
import type { Presented } from '../../credentials/parts.ts'
import { rogueAuthority } from '../../pki/authority.ts'
import { spoiled } from '../../pki/spoiled.ts'
import { until } from '../../site/until.ts'
import type { NatsOptions } from './index.ts'
import { nats } from './index.ts'
import { type ChangedLogin, signed } from './login.ts'
import type { NatsRequest } from './request.ts'
import { type Broker, startBroker } from './testing/broker.ts'
import { Realm } from './testing/realm.ts'

const roles = {
  worker: {
    pub: { allow: ['work.*.cmd', '$SYS.REQ.USER.INFO', 'service.>'] },
    sub: { allow: ['work.*.status', '_INBOX.worker.>', 'service.>'] },
  },
}
let broker: Broker
let worker: UserCreds & { id: string }
let everything: UserCreds
let stranger: UserCreds

beforeAll(async () => {
  const realm = new Realm()
  const system = realm.account('SYS')
  const work = realm.account('WORK', roles)
  const accounts = { [system.id]: await system.jwt(), [work.id]: await work.jwt() }
  broker = await startBroker({ realm, system, accounts, address: '127.77.2.1' })
  worker = await work.user('worker', 'worker')
  everything = await work.user('everything')
  stranger = await new Realm('OTHER').account('WORK').user('stranger')
})

afterAll(() => broker?.[Symbol.asyncDispose]())

async function call(
  creds: UserCreds | undefined,
  request: NatsRequest = {},
  options: NatsOptions = {},
  more: Presented = {},
) {
  const presented = { certificate: broker.client, creds, ...more }
  const called = await nats.prepare({ request, presented, options }).send(broker.endpoint)
  if (called.session) {
    const { session } = called
    onTestFinished(() => session.close())
  }
  return called
}

const refusedLogin = {
  promised: false,
  session: undefined,
  answer: { error: 'Authorization Violation', isOpen: false, status: null, failure: undefined },
}

test('whoever has credentials is in, and stays so until somebody ends it', async () => {
  const called = await call(worker)
  expect(called).toMatchObject({ promised: true, answer: { error: null, isOpen: true, body: '' } })
  expect(called.letInBy).toBeUndefined()
  expect(called.conn).toMatch(/^127\.0\.0\.9:\d+$/)
  expect(nats.text(called.answer)).toBe('PONG')
  expect(called.sent).toMatch(/^CONNECT \{.*"jwt":"eyJ.*\}\r\nPING\r\n$/)
  await called.session!.close()
  expect(await called.session!.ended).toMatchObject({ code: 1006, reason: '' })
})

test.each<[string, () => UserCreds | undefined, NatsOptions?]>([
  ['without credentials', () => undefined],
  ['of another operator', () => stranger],
  ['without a key', () => ({ ...worker, seed: '' })],
  ['with the key of another', () => ({ ...worker, seed: everything.seed })],
  ['by user and password', () => undefined, { connect: (own) => ({ ...own, user: 'a', pass: 'b' }) }],
  ['with the signature of another nonce', () => worker, { connect: (own, { sign }) => ({ ...own, sig: sign('old') }) }],
  ['with a signature that is none', () => worker, { connect: (own) => ({ ...own, sig: '!' }) }],
  ['that names an account', () => worker, { connect: (own) => ({ ...own, account: 'OTHER', new_account: true }) }],
])('a login %s is refused, and the connection ends', async (_, creds, options) => {
  expect(await call(creds(), {}, options)).toMatchObject(refusedLogin)
})

test('a signature is good for one connection', async () => {
  let first: unknown
  const connect: ChangedLogin = (own) => {
    first = own.sig
    return own
  }
  expect((await call(worker, {}, { connect })).promised).toBe(true)
  expect(await call(worker, {}, { connect: (own) => ({ ...own, sig: first }) })).toMatchObject(refusedLogin)
  expect(
    await call(worker, {}, { connect: (own, { nonce }) => ({ ...own, sig: signed(worker.seed, nonce) }) }),
  ).toMatchObject({
    promised: true,
  })
})

test.each<[string, NatsRequest, string]>([
  ['publishes', { publish: 'work.a.status' }, 'Publish to "work.a.status"'],
  ['subscribes', { subscribe: 'work.a.cmd' }, 'Subscription to "work.a.cmd"'],
  ['subscribes to all', { subscribe: '>' }, 'Subscription to ">"'],
  ['subscribes in a group', { subscribe: 'work.a.cmd', queue: 'g' }, 'Subscription to "work.a.cmd" using queue "g"'],
])('who %s beyond what he may is told, is connected still, and nothing is delivered', async (_, request, text) => {
  const subject = request.publish ?? request.subscribe!
  const witness = await call(everything, { subscribe: '>' })
  const called = await call(worker, request)
  expect(called).toMatchObject({
    promised: false,
    letInBy: 'nats:login',
    answer: { error: `Permissions Violation for ${text}`, isOpen: true },
  })
  await call(everything, { publish: subject.replace('>', 'x'), data: 'control' })
  await until('the control', () => witness.session!.frames.find(({ data }) => data === 'control'), { withinMs: 5_000 })
  expect(witness.session!.frames).toEqual([{ subject: subject.replace('>', 'x'), data: 'control' }])
  expect(called.session!.frames).toEqual([])
})

test('a reply stands in what is delivered, and one that the broker keeps for itself is refused', async () => {
  const witness = await call(everything, { subscribe: 'service.a' })
  const refused = await call(worker, { publish: 'service.a', reply: '_R_.a', data: 'refused' })
  const error = 'Permissions Violation for Publish with Reply of "_R_.a"'
  expect(refused).toMatchObject({ promised: false, letInBy: 'nats:login', answer: { error, isOpen: true } })
  expect((await call(worker, { publish: 'service.a', reply: 'work.a.cmd' })).promised).toBe(true)
  await until('the control', () => witness.session!.frames.length > 0, { withinMs: 5_000 })
  expect(witness.session!.frames).toEqual([{ subject: 'service.a', data: '', reply: 'work.a.cmd' }])
})

test('who may do it does it, and it is delivered', async () => {
  const listening = await call(worker, { subscribe: 'work.*.status' })
  const grouped = await call(worker, { subscribe: 'work.*.status', queue: 'g' })
  expect(listening).toMatchObject({ promised: true, answer: { error: null } })
  const sent = await call(everything, { publish: 'work.b.status', data: 'up' }, { headers: [['X-One', '1']] })
  expect(sent).toMatchObject({ promised: true, answer: { error: null, isOpen: true } })
  const frame = { subject: 'work.b.status', data: 'up', headers: { 'X-One': '1' } }
  const isThere = () => [listening, grouped].every(({ session }) => session!.frames.length > 0)
  await until('it is there', isThere, { withinMs: 5_000 })
  expect(listening.session!.frames).toEqual([frame])
  expect(grouped.session!.frames).toEqual([frame])
  listening.session!.send({ publish: 'work.c.cmd', data: 'go' })
  listening.session!.send({ subscribe: 'service.x' })
  listening.session!.send({ publish: 'service.x', data: 'own' })
  await until('its own', () => listening.session!.frames.find(({ data }) => data === 'own'), { withinMs: 5_000 })
})

test('who asks gets the answer, and the broker tells who one is', async () => {
  const request = { ask: '$SYS.REQ.USER.INFO', inbox: '_INBOX.worker' }
  const called = await call(worker, request)
  expect(called.promised).toBe(true)
  expect(JSON.parse(called.answer.body)).toMatchObject({ data: { user: worker.id } })
  const unheard = await call(worker, { ask: 'service.nobody', inbox: '_INBOX.worker' })
  expect(unheard).toMatchObject({ promised: false, answer: { error: null, messages: [{ status: 503 }] } })
  const elsewhere = await call(worker, { ask: '$SYS.REQ.USER.INFO' })
  expect(elsewhere).toMatchObject({
    promised: false,
    answer: { error: expect.stringContaining('Permissions Violation') },
  })
})

test('what is done is something else than the action where a call says so', async () => {
  expect((await call(worker, { publish: 'work.a.cmd' })).promised).toBe(true)
  const called = await call(worker, { publish: 'work.a.cmd' }, { does: { publish: 'work.cmd' } })
  expect(called.answer.error).toBe('Permissions Violation for Publish to "work.cmd"')
})

test('who does not prove himself in TLS sends no login', async () => {
  const bare = await call(worker, {}, {}, { certificate: undefined })
  const rogue = await call(
    worker,
    {},
    {},
    {
      certificate: await spoiled.otherCa({
        authority: broker.authority,
        subject: 'client.test',
        sans: ['client.test'],
      }),
    },
  )
  const inTheClear = await call(worker, {}, { raw: { bytes: (line) => [line], isPlain: true } })
  for (const called of [bare, rogue, inTheClear]) {
    expect(called).toMatchObject({ promised: false, answer: { error: null, isOpen: false } })
    expect(called.answer.failure).toBeDefined()
    expect(nats.text(called.answer)).toBeUndefined()
    expect(called.conn).toMatch(/^127\.0\.0\.9:\d+$/)
  }
})

test.each<[string, (line: string) => string]>([
  ['garbage', () => '\u0000\u0001\u0002 nonsense\r\n'],
  ['a login that is too long', (line) => line.replace('"caller"', `"${'x'.repeat(20_000)}"`)],
  ['something before its login', () => 'SUB > 1\r\n'],
])('%s ends the connection, and others go on', async (_, bytes) => {
  const called = await call(worker, {}, { raw: { bytes: (line) => [bytes(line)] } })
  expect(called).toMatchObject({ promised: false, answer: { isOpen: false } })
  expect((await call(worker)).promised).toBe(true)
})

test('a server that is not the one that is meant is nobody to be refused by', async () => {
  const prepared = nats.prepare({ request: {}, presented: { creds: worker, certificate: broker.client }, options: {} })
  const other = { ...broker.endpoint, anchorPem: (await rogueAuthority()).anchorPem }
  await expect(prepared.send(other)).rejects.toMatchObject({ code: 'HOLDFAST_SERVER_UNTRUSTED' })
  await expect(prepared.send({ ...broker.endpoint, address: '127.77.2.9' })).rejects.toMatchObject({
    code: 'HOLDFAST_TARGET_UNREACHABLE',
  })
})

test('calls differ in the elements that were changed, and the plain one is without', () => {
  const presented = { creds: worker, token: 't' }
  const prepared = (options: NatsOptions) => nats.prepare({ request: {}, presented, options })
  const connect = () => ({})
  const handshake = { version: 'TLSv1.2' } as const
  expect(prepared({})).toMatchObject({ carried: ['creds', 'token'], plain: undefined })
  expect(prepared({ connect })).toMatchObject({ carried: [], plain: { element: 'login', isCredential: true } })
  expect(prepared({ handshake, does: { publish: 'a' } }).plain).toEqual({
    ...{ element: 'wire', options: { does: { publish: 'a' } }, isCredential: false },
  })
  expect(prepared({ does: {}, headers: [] }).plain).toEqual({
    ...{ element: 'does', options: { headers: [] }, isCredential: false },
  })
  const differing = (one: NatsOptions, other: NatsOptions) => {
    const [a, b] = [prepared(one).elements, prepared(other).elements]
    return Object.keys(a).filter((name) => a[name] !== b[name])
  }
  expect(differing({}, {})).toEqual([])
  expect(differing({}, { connect })).toEqual(['login'])
  expect(differing({}, { handshake })).toEqual(['wire'])
  expect(differing({}, { does: { publish: 'a' } })).toEqual(['does'])
  expect(() => nats.prepare({ request: {}, presented, before: presented, options: {} })).toThrow('one login')
})

test('what is expected is the text of the error or its beginning, and whether the connection was kept', () => {
  const answer = {
    status: null,
    error: 'Permissions Violation for Publish to "a"',
    body: '',
    isOpen: true,
    messages: [],
  }
  expect(nats.problems(answer, nats.read('Permissions Violation'))).toEqual([])
  expect(nats.problems(answer, { error: answer.error })).toEqual([])
  expect(nats.problems(answer, { error: 'Permissions' })).toEqual([
    `-ERR ${answer.error}, expected Permissions`,
    'the connection was kept, expected its end',
  ])
  expect(nats.problems({ ...answer, isOpen: false }, { error: 'Permissions Violation' })).toEqual([
    'the connection was ended, expected to be kept',
  ])
  expect(
    nats.problems({ ...answer, error: null, isOpen: false }, { error: 'Authorization Violation', status: 1 }),
  ).toEqual(['a broker answers with no status, expected 1', '-ERR none, expected Authorization Violation'])
  expect(nats.wanted(nats.read('x'))).toBe('x')
})

test('an action says one thing at most, in subjects that are some', () => {
  const isRequest = (said: unknown) => nats.request.safeParse(said).success
  expect([{}, { publish: 'a.b' }, { subscribe: '>' }, { ask: '$SYS.x', inbox: '_INBOX.a' }].every(isRequest)).toBe(true)
  expect([{ publish: 'a b' }, { publish: 'a.' }, { publish: 'a', subscribe: 'b' }, { pub: 'a' }].some(isRequest)).toBe(
    false,
  )
})

test('the command that is pasted holds no secret', () => {
  const place = {
    host: 'nats-1.test',
    port: 4222,
    address: '127.0.0.1',
    anchor: '/ca.pem',
    creds: '/a.creds',
    token: '/t',
  }
  const certificate = { cert: '/cert.pem', key: '/key.pem' }
  const paste = (request: NatsRequest) => nats.paste!({ ...place, certificate, request })
  const tls =
    'nats --no-context --server tls://nats-1.test:4222 --tlsca /ca.pem --tlscert /cert.pem --tlskey /key.pem --creds /a.creds'
  expect(paste({})).toBe(`NATS_TOKEN="$(cat /t)" ${tls} rtt`)
  const program = { path: '/tools/nats', hosts: '/run/hosts' }
  expect(nats.paste!({ ...place, token: undefined, certificate, program, request: {} })).toBe(
    `HOLDFAST_HOSTS=/run/hosts /tools/${tls} rtt`,
  )
  expect(nats.paste!({ ...place, certificate, enter: ['enter', '--pid', '1', '--'], request: {} })).toBe(
    `enter --pid 1 -- sh -c 'NATS_TOKEN="$(cat /t)" ${tls} rtt'`,
  )
  expect(paste({ publish: 'a.b', data: "it's" })).toMatch(/ pub a\.b 'it'\\''s'$/)
  expect(paste({ ask: '$SYS.REQ.USER.INFO', inbox: '_INBOX.a' })).toMatch(
    / --inbox-prefix _INBOX.a request '\$SYS\.REQ\.USER\.INFO' ''$/,
  )
})
