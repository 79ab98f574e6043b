import { expect, test } from 'vitest'
import type { Decision } from '../shared/decision-log.ts'
import { Judge, type Means, type Over, type Shown } from './judge.ts'
import { readLine } from './log-line.ts'

// What cannot be provoked at a broker alone: a callout that is asked. The lines are those of nats-server 2.15.2.

const guard = `U${'A'.repeat(55)}`
const [auth, workload] = [`A${'B'.repeat(55)}`, `A${'C'.repeat(55)}`]
const found = (name: string, account = 'AUTH') =>
  `Authenticated JWT: Client "${guard}" (claim-name: "${name}", claim-tags: []) signed with "A1" by Account "${auth}" (claim-name: "${account}", claim-tags: []) signed with "O1" has mappings false accused 0xc000`

type Decided = Awaited<ReturnType<NonNullable<Means['callout']>['decided']>>

function judging(decided?: Decided) {
  const records: [decision: Decision, line: number, by?: string][] = []
  const state: { shown: Shown | undefined; over?: Over } = { shown: { account: auth, user: guard, thumbprint: 't' } }
  const judge = new Judge({
    listener: 'nats',
    shown: async () => state.shown,
    over: async () => state.over,
    record: (...what) => void records.push(what),
    callout: { account: 'AUTH', users: ['callout_user'], decided: async () => decided },
  })
  let [number, now] = [0, 0]
  const hear = async (level: string, text: string, who = '', cid = 7) => {
    number += 1
    const line = readLine(`[7] 2026/11/30 02:39:23.034001 [${level}] 127.0.0.9:4 - cid:${cid}${who} - ${text}`, number)
    await judge.heard(line!)
  }
  const begin = async (name: string, account?: string, cid?: number) => {
    await hear('DBG', 'Client connection created', '', cid)
    await hear('DBG', found(name, account), '', cid)
  }
  const look = async (times = 2) => {
    for (let time = 0; time < times; time += 1) {
      now += 20
      await judge.look(now)
    }
  }
  return { judge, state, hear, begin, look, records, told: () => records.map(([decision]) => decision) }
}

test('a line is told apart from others by its form, with or without a name before its text', () => {
  const at = Date.parse('2026-11-30T02:39:23.034Z')
  const line = (text: string) => readLine(`[7] 2026/11/30 02:39:23.034001 [ERR] ${text}`, 3)
  const common = { number: 3, cid: 7, conn: '127.0.0.9:4', at, level: 'ERR' }
  expect(line('127.0.0.9:4 - cid:7 - Bad src Ip 127.0.0.9')).toEqual({ ...common, text: 'Bad src Ip 127.0.0.9' })
  expect(line('127.0.0.9:4 - cid:7 - "v1:x \\" - y" - "A/B/jwt:U" - Read - more')).toEqual({
    ...common,
    text: 'Read - more',
  })
  expect(line('[::1]:4 - cid:7 - x')?.conn).toBe('[::1]:4')
  expect(line('Starting nats-server')).toBeUndefined()
  expect(readLine('nats-server: cannot open', 1)).toBeUndefined()
})

test('whom the callout lets in is in once the broker shows another account, with what the callout proved', async () => {
  const principal = { jti: 'j', sub: 'host-1' }
  const { judge, state, begin, look, told } = judging({ verdict: 'accepted', guard: null, reason: null, principal })
  await begin('auth_guard')
  await look(5)
  expect([told(), judge.isWaiting]).toEqual([[], true])
  state.shown = { account: workload, user: 'host-1', thumbprint: 't' }
  await look(1)
  expect(judge.isWaiting).toBe(false)
  const proven = { ...principal, user: guard, name: 'host-1', account: workload, 'x5t#S256': 't' }
  expect(told()).toMatchObject([{ verdict: 'accepted', action: 'nats:login', principal: proven }])
})

test('whom the callout refuses is refused for its reason, and for its silence where it has none', async () => {
  const principal = { sub: 'host-1' }
  const refused = { verdict: 'refused', guard: 'token.binding', reason: 'cnf_x5t_mismatch', principal } as const
  for (const [decided, told, by] of [
    [refused, { guard: 'token.binding', reason: 'cnf_x5t_mismatch' }, 'callout'],
    [
      { ...refused, guard: null, reason: 'server_error' },
      { guard: 'broker.callout', reason: 'server_error' },
      'callout',
    ],
    [undefined, { guard: 'broker.callout', reason: 'callout_timeout' }, undefined],
  ] as const) {
    const { begin, hear, look, records } = judging(decided)
    await begin('auth_guard')
    await look()
    await hear('ERR', 'authentication error - JWT User "U"')
    await hear('DBG', 'Client connection closed: Authentication Failure')
    await look()
    const proven = { principal: decided?.principal ?? {} }
    const refusal = { verdict: 'refused', error: 'Authorization Violation', ...proven, ...told }
    expect(records).toEqual([[expect.objectContaining(refusal), 3, by]])
  }
})

test.each([
  ['callout_user', 'AUTH'],
  ['auth_guard', 'OTHER'],
])('%s of %s is let in without the callout, once all lines until then were read', async (name, account) => {
  const { begin, look, records } = judging()
  await begin(name, account)
  await look(1)
  expect(records).toEqual([])
  await look(1)
  expect(records).toMatchObject([[{ verdict: 'accepted', principal: { user: guard, name, account: auth } }, 2]])
})

test('a login whose JWT is good, and that is refused then, was never in', async () => {
  const { begin, hear, look, state, told } = judging()
  await begin('callout_user')
  await look(1)
  await hear('ERR', 'authentication error - JWT User "U"')
  state.shown = { account: auth, reason: 'Authentication Failure' }
  await look(3)
  expect(told()).toMatchObject([{ verdict: 'refused', reason: 'nats_account_named' }])
  expect(told()).toHaveLength(1)
})

test('who is in is denied more than one thing, and is told as in before', async () => {
  const { begin, hear, told } = judging()
  await begin('callout_user')
  await hear('ERR', 'Publish Violation - Subject "a"', ' - "v1:x" - "A/B/jwt:U"')
  await hear('ERR', 'Subscription Violation - Subject "b", SID 1', ' - "v1:x" - "A/B/jwt:U"')
  await hear('DBG', 'Client connection closed: Client Closed', ' - "v1:x" - "A/B/jwt:U"')
  expect(told().map(({ verdict, target, reason }) => [verdict, target, reason])).toEqual([
    ['accepted', '', null],
    ['refused', 'a', 'nats_publish_denied'],
    ['refused', 'b', 'nats_subscribe_denied'],
  ])
})

test.each([
  ['Account Authentication Expired - Account:A/B - nkey:U', 'nats_account_expired'],
  ['User Authentication Expired - Account:A/B - nkey:U', 'nats_jwt_expired'],
  ['User Authentication Revoked', 'nats_user_revoked'],
])('who is in, hears "%s" and is gone before the broker ends that was put out', async (text, reason) => {
  for (const ended of ['Client Closed', 'Authentication Expired', 'Read Error']) {
    const { begin, hear, look, told } = judging()
    await begin('callout_user')
    await look()
    await hear('DBG', text, ' - "v1:x" - "A/B/jwt:U"')
    await hear('DBG', `Client connection closed: ${ended}`, ' - "v1:x" - "A/B/jwt:U"')
    expect(told()).toMatchObject([{ verdict: 'accepted' }, { guard: 'broker.session', reason }])
  }
})

test.each<[string, Over, Over | undefined, string, string | undefined]>([
  ['is revoked, too', 'nats_user_revoked', 'nats_user_revoked', 'callout_user', 'nats_user_revoked'],
  ['has expired, too', 'nats_jwt_expired', 'nats_jwt_expired', 'callout_user', 'nats_jwt_expired'],
  ['is good', 'nats_user_revoked', undefined, 'callout_user', undefined],
  ['has expired, of which nothing was written', 'nats_user_revoked', 'nats_jwt_expired', 'callout_user', undefined],
  ['was let in by a callout', 'nats_user_revoked', 'nats_user_revoked', 'auth_guard', undefined],
])('after words to another, who closes himself and %s is told apart', async (_, said, over, name, reason) => {
  const { begin, hear, look, state, told } = judging()
  const words = { nats_user_revoked: 'User Authentication Revoked', nats_jwt_expired: 'User Authentication Expired' }
  state.shown = { account: workload, user: 'him' }
  await begin('callout_user')
  await begin(name, 'AUTH', 8)
  await look()
  await hear('DBG', words[said])
  Object.assign(state, { over })
  await hear('DBG', 'Client connection closed: Client Closed')
  await hear('DBG', 'Client connection closed: Client Closed', '', 8)

  const ends = told().filter(({ action }) => action === 'nats:session')
  expect(ends.map(({ requestId, reason }) => [requestId, reason])).toEqual([
    ['cid-7', said],
    ...(reason === undefined ? [] : [['cid-8', reason]]),
  ])
})

test('who is not in, hears that he took too long and is gone at once was turned away', async () => {
  const { hear, told } = judging()
  await hear('DBG', 'Client connection created')
  await hear('DBG', 'Authentication Timeout')
  await hear('DBG', 'Client connection closed: Client Closed')
  expect(told()).toMatchObject([{ verdict: 'refused', guard: 'broker.login', reason: 'nats_login_timeout' }])
})

test.each([
  ['ERR', 'Something went wrong', 'Client Closed'],
  ['DBG', 'Client Ping Timer', 'Sunspots'],
])('who is in and is put out for what nobody knows is told so', async (level, text, ended) => {
  const { begin, hear, look, told } = judging()
  await begin('callout_user')
  await look()
  await hear(level, text)
  await hear('DBG', `Client connection closed: ${ended}`)
  expect(told()).toMatchObject([{ verdict: 'accepted' }, { guard: 'broker.unmapped', reason: 'nats_unmapped' }])
})

test('whose message is not traced is refused nothing', async () => {
  const { begin, hear, look, told } = judging()
  await begin('callout_user')
  await look()
  await hear('ERR', 'Message tracing disabled because of header "Nats-Trace-Origin-Account" with value="ADMIN"')
  await hear('DBG', 'Client connection closed: Client Closed')
  expect(told()).toMatchObject([{ verdict: 'accepted' }])
  expect(told()).toHaveLength(1)
})

test.each([
  ['tls: failed to verify certificate: x509: certificate signed by unknown authority', 'cert_untrusted'],
  ['tls: failed to verify certificate: x509: too many intermediates for path length constraint', 'cert_untrusted'],
  [
    'tls: failed to verify certificate: x509: certificate is not authorized to sign other certificates',
    'cert_untrusted',
  ],
  [
    'tls: failed to verify certificate: x509: issuer name does not match subject from issuing certificate',
    'cert_untrusted',
  ],
  ['tls: failed to verify certificate: x509: sunspots', 'nats_unmapped'],
  ['tls: client offered only unsupported versions: [302]', 'handshake_failed'],
  ['tls: no cipher suite supported by both client and server; client offered: [1]', 'handshake_failed'],
  ["tls: peer doesn't support any of the certificate's signature algorithms", 'handshake_failed'],
  ['tls: failed to parse client certificate: x509: malformed certificate', 'handshake_failed'],
  ['tls: invalid signature by the client certificate: crypto/rsa: verification error', 'handshake_failed'],
  ['tls: first record does not look like a TLS handshake', 'handshake_failed'],
  ['tls: internal error: unsupported key', 'nats_unmapped'],
])('a handshake that failed with %s is told as %s', async (text, reason) => {
  const { hear, told } = judging()
  await hear('DBG', 'Client connection created')
  await hear('ERR', `TLS handshake error: ${text}`)
  expect(told()).toMatchObject([{ verdict: 'refused', reason }])
})

test('a number that a broker gives anew is another connection', async () => {
  const { begin, hear, told } = judging()
  await begin('callout_user')
  await hear('DBG', 'Client connection created')
  await hear('DBG', 'Signature missing')
  await hear('ERR', 'authentication error')
  expect(told()).toMatchObject([{ reason: 'nats_signature_missing' }])
})

test('whom the broker shows is not believed to be in before it had time to write what it says of him', async () => {
  const { judge, begin, hear, told } = judging()
  await begin('worker', 'WORKLOAD')
  for (const now of [0, 1, 19]) await judge.look(now)
  expect(told()).toEqual([])
  await hear('ERR', 'authentication error')
  await judge.look(20)

  expect(told()).toMatchObject([{ verdict: 'refused', reason: 'nats_account_named' }])

  await begin('worker', 'WORKLOAD', 8)
  for (const now of [100, 120]) await judge.look(now)
  expect(told().at(-1)).toMatchObject({ verdict: 'accepted' })
})
